using System.Globalization;
using System.Text.RegularExpressions;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

/// <summary>What Auto chooses where there is no doubt: of a network that goes blind as soon as it is trained, or sees only then.</summary>
[TestClass]
[DoNotParallelize]
public sealed class FineTuningChoiceTests
{
    private static readonly TemporaryFolder Folder = new();
    private static readonly MLContext MLContext = new(1);
    private static string _weights = "";

    [ClassInitialize]
    public static void SaveWeights(TestContext _)
    {
        NetworkArchitecture.Register(BlindNetwork.Name, classes => new BlindNetwork(classes));
        (BlindNetwork.IsBlind, BlindNetwork.IsBlindOnceTrained) = (false, false);
        using SharpnessAwareImageClassificationTransformer model = Fitted.Model(MLContext, Stripes(), options =>
            (options.Arch, options.Epoch) = (BlindNetwork.Name, 1));
        _weights = Folder.File("blind.safetensors");
        model.SaveWeights(_weights);
    }

    [ClassCleanup]
    public static void Clean() => Folder.Dispose();

    /// <summary>Of three classes as large as each other a network that sees nothing says ln 3.</summary>
    [TestMethod]
    public void WhereTheWholeNetworkIsMuchWorseTheHeadIsTheModel()
    {
        (BlindNetwork.IsBlind, BlindNetwork.IsBlindOnceTrained) = (false, true);
        (SharpnessAwareImageClassificationTransformer model, string log) = Fit();
        using (model)
        {
            Match givenUp = Regex.Match(
                log, @"Gentle in large steps: given up, since in 3 of 8 epochs its log loss was never below (\S+) .* head has (\S+)\n");
            Assert.IsTrue(givenUp.Success, log);
            Assert.AreEqual(Math.Log(3), Number(givenUp.Groups[1]), 0.01);
            Assert.IsLessThan(0.5, Number(givenUp.Groups[2]));
            StringAssert.Contains(log, "None is better than the head beyond chance: the head is the model.");
            Assert.HasCount(1, model.History);
        }

        static double Number(Group group) => double.Parse(group.Value.TrimEnd('.'), CultureInfo.InvariantCulture);
    }

    [TestMethod]
    public void WhereTheWholeNetworkIsMuchBetterItIsTheModel()
    {
        (BlindNetwork.IsBlind, BlindNetwork.IsBlindOnceTrained) = (true, false);
        (SharpnessAwareImageClassificationTransformer model, string log) = Fit();
        using (model)
        {
            Assert.IsFalse(log.Contains("the head is the model", StringComparison.Ordinal), log);
            Assert.IsFalse(log.Contains("given up", StringComparison.Ordinal), log);
            Assert.IsTrue(model.History.Count is 8 or 10, log);
        }
    }

    private static (SharpnessAwareImageClassificationTransformer Model, string Log) Fit()
    {
        var mlContext = new MLContext(1);
        var log = new List<string>();
        mlContext.Log += (_, e) => log.Add(e.Message + "\n");
        var options = new SharpnessAwareImageClassificationTrainer.Options
        {
            FeatureColumnName = "Image",
            Arch = BlindNetwork.Name,
            InitialWeights = _weights,
            FineTuning = FineTuning.Auto,
            TimeBudget = TimeSpan.FromHours(1),
            LeastToCompareOn = 6,
            Device = "cpu",
        };
        return (mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(Stripes()), string.Concat(log));
    }

    /// <summary>A white stripe at the top, in the middle or at the bottom.</summary>
    private static IDataView Stripes() => Fitted.View(MLContext, Enumerable.Range(0, 60).Select(i => new PixelRow
    {
        Label = Shapes.Names[i % 3],
        Image = [.. Enumerable.Range(0, Shapes.Size * Shapes.Size).Select(pixel => (byte)(pixel / Shapes.Size / 4 == i % 3 ? 255 : 0))],
    }));

    private sealed class BlindNetwork : nn.Module<Tensor, Tensor>
    {
        public const string Name = "fine-tuning-choice-tests";

        private readonly Linear _fc;

        public BlindNetwork(int classes)
            : base(nameof(BlindNetwork))
        {
            _fc = nn.Linear(Shapes.Size * Shapes.Size, classes);
            RegisterComponents();
        }

        public static bool IsBlind { get; set; }

        public static bool IsBlindOnceTrained { get; set; }

        public override Tensor forward(Tensor input)
        {
            if (training)
                IsBlind = IsBlindOnceTrained;
            Tensor pixels = input.flatten(1);
            return _fc.call(IsBlind ? zeros_like(pixels) : pixels);
        }
    }
}
