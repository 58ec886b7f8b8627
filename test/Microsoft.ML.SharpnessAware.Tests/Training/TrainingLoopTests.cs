using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

[TestClass]
[DoNotParallelize]
public sealed class TrainingLoopTests
{
    private const int Images = 40;

    /// <summary>A shift cuts a part of the picture off, and so changes the sum of its pixels.</summary>
    [TestMethod]
    public void EachEpochChangesThePicturesInAnotherWay()
    {
        NetworkArchitecture.Register(SummingNetwork.Name, classes => new SummingNetwork(classes));
        SummingNetwork.Sums.Clear();
        var mlContext = new MLContext(1);
        Fitted.Model(mlContext, Fitted.View(mlContext, Shapes.Pixels(Images)), options =>
        {
            (options.Arch, options.Epoch, options.BatchSize) = (SummingNetwork.Name, 2, 64);
            (options.Method, options.ValidationSetFraction) = (SharpnessAwareMethod.Standard, null);
            options.Augmentation = Augmentation.None with { CropPadding = 4 };
        }).Dispose();

        Assert.HasCount(2 * Images, SummingNetwork.Sums);
        float[] first = [.. SummingNetwork.Sums.Take(Images).Order()], second = [.. SummingNetwork.Sums.Skip(Images).Order()];
        Assert.IsGreaterThan(1, first.Zip(second, (one, other) => Math.Abs(one - other)).Max());
    }

    private sealed class SummingNetwork : nn.Module<Tensor, Tensor>
    {
        public const string Name = "training-loop-tests";

        private readonly Linear _fc;

        public SummingNetwork(int classes)
            : base(nameof(SummingNetwork))
        {
            _fc = nn.Linear(Shapes.Size * Shapes.Size, classes);
            RegisterComponents();
        }

        /// <summary>The sum of each image that was trained on, in the order of the steps.</summary>
        public static List<float> Sums { get; } = [];

        public override Tensor forward(Tensor input)
        {
            if (training)
            {
                using Tensor sums = input.detach().sum([1, 2, 3]);
                Sums.AddRange(sums.data<float>().ToArray());
            }

            return _fc.call(input.flatten(1));
        }
    }
}
