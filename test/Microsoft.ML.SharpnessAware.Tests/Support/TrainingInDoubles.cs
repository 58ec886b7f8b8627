using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Trainings of a network that computes in doubles, by processes that share the images out.</summary>
internal static class TrainingInDoubles
{
    private const string Plain = "in_doubles", Normalized = "in_doubles_with_batch_norm";

    public static readonly string[] Settings =
        ["CSAM", "SSAM", "standard", "half of the batch", "augmented", "validation set", "averaged", "clipped", "batch norm"];

    public static IDataView Data(MLContext mlContext) => Fitted.View(mlContext, Shapes.Pixels(61, seed: 3));

    public static SharpnessAwareImageClassificationTrainer.Options Options(MLContext mlContext, string setting)
    {
        NetworkArchitecture.Register(Plain, classes => new DoubleNet(classes, batchNorm: false));
        NetworkArchitecture.Register(Normalized, classes => new DoubleNet(classes, batchNorm: true));
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        options.Arch = setting == "batch norm" ? Normalized : Plain;
        options.SynchronizeBatchNorm = true;
        options.BatchSize = 13;
        options.ValidationSetFraction = 0.25;
        options.SharedAscent = true;
        options.Sharding = DataSharding.ByRow;
        options.Seed = 5;
        if (setting == "half of the batch")
            options.SynchronizeBatchNorm = false;
        options.Method = setting switch
        {
            "SSAM" => SharpnessAwareMethod.Ssam(),
            "standard" => SharpnessAwareMethod.Standard,
            "half of the batch" => SharpnessAwareMethod.Sam() with { AscentShare = 0.5 },
            _ => SharpnessAwareMethod.Csam(),
        };
        options.Augmentation = setting == "augmented" ? Augmentation.Standard : Augmentation.None;
        options.WeightAveraging = setting is "averaged" or "batch norm" ? new WeightAveraging.Exponential() : null;
        options.MaxGradientNorm = setting == "clipped" ? 0.1 : null;
        if (setting == "validation set")
            options.ValidationSet = Fitted.View(mlContext, Shapes.Pixels(17, seed: 9));
        return options;
    }

    private sealed class DoubleNet : Module<Tensor, Tensor>
    {
        private readonly Module<Tensor, Tensor> _layers;

        public DoubleNet(long classes, bool batchNorm)
            : base(nameof(DoubleNet))
        {
            _layers = Sequential(
                Linear(Shapes.Size * Shapes.Size, 16), batchNorm ? BatchNorm1d(16) : Identity(), Tanh(), Linear(16, classes));
            RegisterComponents();
            this.to(float64);
        }

        public override Tensor forward(Tensor images) => _layers.call(images.flatten(1).to(float64));
    }
}
