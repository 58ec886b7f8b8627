using System.Globalization;
using Microsoft.ML.SharpnessAware.Tests.Calibration;
using static TorchSharp.torch;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

/// <summary>A training goes on only with the ingredients that it began with: what goes into the weights, by content.</summary>
[TestClass]
public sealed class RunFingerprintTests
{
    private const string Network = "run-fingerprint-tests";

    private readonly TemporaryFolder _folder = new();
    private readonly MLContext _mlContext = new(seed: 1);
    private readonly IDataView _data;

    public RunFingerprintTests()
    {
        _data = Fitted.View(_mlContext, Shapes.Pixels(30));
        Register(classes => new SmallNetwork(classes));
    }

    [TestCleanup]
    public void DeleteFolder() => _folder.Dispose();

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void InitialWeightsThatWereOverwrittenAreRefused(bool freezeBackbone)
    {
        string weights = _folder.File("weights.safetensors");
        SaveWeights(weights, seed: 1);
        Begin(Change);
        SaveWeights(weights, seed: 2);

        AssertRefused("InitialWeights was SHA-256", Change);

        void Change(Options options) => (options.InitialWeights, options.FreezeBackbone, options.FineTuning) =
            (weights, freezeBackbone, FineTuning.Full);
    }

    [TestMethod]
    public void TheSameWeightsByAnotherPathNameOrFormatAreTheSame()
    {
        string weights = _folder.File("weights.safetensors"), copy = _folder.File("copy.safetensors");
        SaveWeights(weights, seed: 1);
        File.Copy(weights, copy);
        string relative = Path.GetRelativePath(Environment.CurrentDirectory, weights);
        Assert.AreNotEqual(weights, relative);

        Begin(options => (options.InitialWeights, options.FineTuning) = (weights, FineTuning.Full));
        GoesOn(options => (options.InitialWeights, options.FineTuning) = (relative, FineTuning.Full));
        GoesOn(options => (options.InitialWeights, options.FineTuning) = (copy, FineTuning.Full));
        AssertRefused("InitialWeights was SHA-256", options => options.InitialWeights = null);
    }

    [TestMethod]
    public void ALossOfOnesOwnIsComparedByWhatItHolds()
    {
        Begin(options => options.Loss = new WeightedLoss([1, 2, 3]));
        GoesOn(options => options.Loss = new WeightedLoss([1, 2, 3]));
        AssertRefused("Loss.ClassWeights was [1, 2, 3], now [1, 2, 4]", options => options.Loss = new WeightedLoss([1, 2, 4]));
        AssertRefused("Loss.Sharpness was 0.5, now 0.25", options => options.Loss = new WeightedLoss([1, 2, 3]) { Sharpness = 0.25 });
        AssertRefused("now not known", options => options.Loss = new ClassificationLoss.CrossEntropy());
    }

    [TestMethod]
    public void ANetworkRegisteredAnewUnderItsNameIsComparedByWhatItIs()
    {
        Begin();
        Register(classes => new SmallNetwork(classes));
        GoesOn();

        Register(classes => new SmallNetwork(classes, width: 7));
        AssertRefused("parameters of the network");
        Register(classes => new SmallNetwork(classes, dropout: 0.3));
        AssertRefused("modules of the network");
        Register(classes => new SmallNetwork(classes, slope: 0.2));
        AssertRefused("modules of the network", message => Assert.DoesNotContain("parameters of the network", message));
        Register(classes => new SmallNetwork(classes, activation: input => input.tanh()));
        AssertRefused("outputs of the untrained network", message => Assert.DoesNotContain("modules of the network", message));
        Register(classes => new SmallNetwork(classes, momentum: 0.2));
        AssertRefused("settings of the modules: _norm.momentum was 0.1, now 0.2.",
            message => Assert.DoesNotContain("outputs of the untrained network", message));
        Register(classes => new SmallNetwork(classes, fixedConvolution: true));
        AssertRefused("parameters of the network");
        Register(classes => new SmallNetwork(classes));
        GoesOn();
    }

    [TestMethod]
    public void AFrozenBackboneThatTheNetworkBringsIsComparedByItsWeights()
    {
        Register(classes => new SmallNetwork(classes, convolution: 0.5f));
        Begin(options => options.FreezeBackbone = true);
        Register(classes => new SmallNetwork(classes, convolution: 0.5001f));   // its outputs are the same to a hundredth
        AssertRefused("weights of the backbone", options => options.FreezeBackbone = true);
        Register(classes => new SmallNetwork(classes, convolution: 0.5f));
        GoesOn(options => options.FreezeBackbone = true);
    }

    [TestMethod]
    public void NeitherTheCultureNorTheTextOfASettingMatters()
    {
        Action<Options> change = options =>
        {
            options.Loss = new WeightedLoss([1.5, 2, 3]);
            options.BaseOptimizer = new BaseOptimizer.AdamW(1.25e-3);
            options.Normalization = PixelNormalization.Of([0.5], [0.25]);
        };
        using (new CultureScope("de-DE"))
            Begin(change);
        using (new CultureScope("fr-FR"))
            GoesOn(change);
        GoesOn(change);
        Assert.IsEmpty(WeightedLoss.CulturesSeen.Except(["de-DE", "fr-FR", CultureInfo.CurrentCulture.Name]));
    }

    [TestMethod]
    public void EverySettingThatTheWeightsDependOnIsNamedWhereItDiffers()
    {
        Begin();
        (string Name, Action<Options> Change)[] changes =
        [
            ("Method.Rho was 0.05, now 0.1", options => options.Method = SharpnessAwareMethod.Csam(0.1)),
            ("Method.Renormalize was False, now True", options => options.Method = SharpnessAwareMethod.Csam() with { Renormalize = true }),
            ("BatchSize was 16, now 15", options => options.BatchSize = 15),
            ("BaseOptimizer was Sgd, now AdamW", options => options.BaseOptimizer = new BaseOptimizer.AdamW(0.05)),
            ("BaseOptimizer.LearningRate was 0.05, now 0.05000000000000001", options => options.LearningRate = 0.05000000000000001),
            ("Schedule was Cosine, now Constant", options => options.Schedule = new LearningRateSchedule.Constant()),
            ("Augmentation.RandomResizedCrop was none, now RandomResizedCrop", options =>
                options.Augmentation = new() { RandomResizedCrop = new() }),
            ("MaxGradientNorm was none, now 1", options => options.MaxGradientNorm = 1),
            ("EarlyStoppingCriteria was none, now EarlyStopping", options => options.EarlyStoppingCriteria = new EarlyStopping()),
            ("FreezeBackbone was False, now True", options => options.FreezeBackbone = true),
            ("FreezeEpochs was 0, now 1", options => options.FreezeEpochs = 1),
            ("FreezeBatchNorm was False, now True", options => options.FreezeBatchNorm = true),
            ("SynchronizeBatchNorm was False, now True", options => options.SynchronizeBatchNorm = true),
            ("WeightAveraging was none, now Exponential", options => options.WeightAveraging = new WeightAveraging.Exponential()),
            ("BackboneLearningRateFactor was 1, now 0.5", options => options.BackboneLearningRateFactor = 0.5),
            ("OnDivergence was Stop, now RestoreAndHalve", options => options.OnDivergence = OnDivergence.RestoreAndHalve),
            ("Seed was 1, now 2", options => options.Seed = 2),
            ("Normalization", options => options.Normalization = PixelNormalization.Of([0.5], [0.5])),
            ("validation images", options => options.ValidationSet = _data),
        ];
        foreach ((string name, Action<Options> change) in changes)
            AssertRefused(name, change);
        GoesOn();
    }

    [TestMethod]
    public void TwoCropsWhoseTextsAreTheSameAreNotTheSame()
    {
        var first = new RandomResizedCrop(MaximumRatio: 1.33333);
        var second = new RandomResizedCrop(MaximumRatio: 1.33334);
        Assert.AreEqual(first.ToString(), second.ToString(), "rounded for logs");

        Begin(options => options.Augmentation = new() { RandomResizedCrop = first });
        AssertRefused("Augmentation.RandomResizedCrop.MaximumRatio was 1.33333, now 1.33334",
            options => options.Augmentation = new() { RandomResizedCrop = second });
    }

    [TestMethod]
    public void TheDeviceIsComparedByItsKind()
    {
        if (cuda.is_available())
            Assert.Inconclusive("This machine has a GPU.");
        Begin(options => options.Device = "cpu");
        GoesOn(options => options.Device = null);
        GoesOn(options => options.Arch = Network.ToUpperInvariant());
    }

    [TestMethod]
    public void CheckpointsOfVersion1AreComparedByTheirTexts()
    {
        CompatibilityAssets.RegisterNetwork();
        string path = _folder.File("training.ckpt");
        File.Copy(Path.Combine("Assets", "version-1.2", CompatibilityAssets.CheckpointFile), path);
        IDataView rows = CompatibilityAssets.TrainingRows(_mlContext);

        StringAssert.Contains(Refused(options => options.Epoch = 16), "Epoch was 15, now 16");
        StringAssert.Contains(Refused(options => options.Method = SharpnessAwareMethod.Csam(0.051)),
            "Method was (0.05, False, True, False, 1), now (0.051, False, True, False, 1)");
        StringAssert.Contains(Refused(options => (options.InitialWeights, options.FineTuning) = (SaveWeightsOfAsset(), FineTuning.Full)),
            "InitialWeights was none, now ");
        using (new CultureScope("de-DE"))
            CompatibilityAssets.Trainer(_mlContext, path).Fit(rows).Dispose();

        string Refused(Action<Options> change) => Assert.ThrowsExactly<InvalidDataException>(
            () => CompatibilityAssets.Trainer(_mlContext, path, change: change).Fit(rows).Dispose()).Message;

        string SaveWeightsOfAsset()
        {
            using var model = CompatibilityAssets.Trainer(_mlContext, change: options => options.Epoch = 1).Fit(rows);
            string weights = _folder.File("asset.safetensors");
            model.SaveWeights(weights);
            return weights;
        }
    }

    private static void Register(Func<int, nn.Module<Tensor, Tensor>> create) => NetworkArchitecture.Register(Network, create);

    /// <summary>Trains the first epoch of two.</summary>
    private void Begin(Action<Options>? change = null)
    {
        using var cancellation = new CancellationTokenSource();
        Options options = TwoEpochs(change);
        options.CancellationToken = cancellation.Token;
        options.MetricsCallback = _ => cancellation.Cancel();
        Assert.ThrowsExactly<OperationCanceledException>(() => Fit(options));
        File.Copy(options.CheckpointPath!, _folder.File("first epoch"), overwrite: true);
    }

    private void GoesOn(Action<Options>? change = null)
    {
        Options options = TwoEpochs(change);
        List<int> epochs = [];
        options.MetricsCallback = epoch => epochs.Add(epoch.Epoch);
        File.Copy(_folder.File("first epoch"), options.CheckpointPath!, overwrite: true);
        Fit(options);
        CollectionAssert.AreEqual(new[] { 2 }, epochs);
    }

    private void AssertRefused(string part, Action<Options>? change = null) => AssertRefused(part, _ => { }, change);

    private void AssertRefused(string part, Action<string> look, Action<Options>? change = null)
    {
        Options options = TwoEpochs(change);
        File.Copy(_folder.File("first epoch"), options.CheckpointPath!, overwrite: true);
        string message = Assert.ThrowsExactly<InvalidDataException>(() => Fit(options), part).Message;
        StringAssert.Contains(message, part);
        look(message);
    }

    private Options TwoEpochs(Action<Options>? change)
    {
        Options options = Fitted.QuickOptions();
        (options.Arch, options.Epoch, options.CheckpointPath) = (Network, 2, _folder.File("run.ckpt"));
        change?.Invoke(options);
        return options;
    }

    private void Fit(Options options) =>
        _mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(_data).Dispose();

    private void SaveWeights(string path, int seed)
    {
        using var model = Fitted.Model(_mlContext, _data, options => (options.Arch, options.Epoch, options.Seed) = (Network, 1, seed));
        model.SaveWeights(path);
    }

    /// <summary>A loss whose record tells nothing of its array, and whose text nobody should ask for.</summary>
    private sealed record WeightedLoss(double[] ClassWeights) : ClassificationLoss
    {
        public static HashSet<string> CulturesSeen { get; } = [];

        public double Sharpness { get; init; } = 0.5;

        public override Tensor PerSample(Tensor logits, Tensor labels)
        {
            CulturesSeen.Add(CultureInfo.CurrentCulture.Name);
            Tensor weights = tensor(ClassWeights, dtype: ScalarType.Float32).index_select(0, labels);
            return new CrossEntropy().PerSample(logits, labels) * weights;
        }

        public override string ToString()
        {
            CulturesSeen.Add(CultureInfo.CurrentCulture.Name);
            return "a text of another culture";
        }
    }

    private sealed class SmallNetwork : nn.Module<Tensor, Tensor>
    {
        private readonly TorchSharp.Modules.Conv2d _conv;
        private readonly TorchSharp.Modules.BatchNorm2d _norm;
        private readonly TorchSharp.Modules.LeakyReLU _relu;
        private readonly TorchSharp.Modules.Dropout _dropout;
        private readonly TorchSharp.Modules.Linear _classifier;
        private readonly Func<Tensor, Tensor> _activation;

        public SmallNetwork(int classes, int width = 6, double dropout = 0.1, double slope = 0.1, Func<Tensor, Tensor>? activation = null,
            bool fixedConvolution = false, float? convolution = null, double momentum = 0.1)
            : base(nameof(SmallNetwork))
        {
            _conv = nn.Conv2d(1, width, 3);
            _norm = nn.BatchNorm2d(width, momentum: momentum);
            _relu = nn.LeakyReLU(slope);
            _dropout = nn.Dropout(dropout);
            _classifier = nn.Linear(width * 4, classes);
            _activation = activation ?? (input => input.sigmoid());
            RegisterComponents();
            using (no_grad())
            {
                if (convolution is float value)
                    nn.init.constant_(_conv.weight, value);
            }
            _conv.weight.requires_grad = !fixedConvolution;
        }

        public override Tensor forward(Tensor input)
        {
            Tensor features = nn.functional.adaptive_avg_pool2d(_relu.call(_activation(_norm.call(_conv.call(input)))), [2, 2]).flatten(1);
            return _classifier.call(_dropout.call(features));
        }
    }
}
