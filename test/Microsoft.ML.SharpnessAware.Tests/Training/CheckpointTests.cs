using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

[TestClass]
public sealed class CheckpointTests
{
    private const string WithDropout = "checkpoint test with dropout";

    private readonly TemporaryFolder _folder = new();
    private MLContext _mlContext = new(seed: 1);
    private IDataView _data;

    public CheckpointTests()
    {
        NetworkArchitecture.Register(WithDropout, classes => new DropoutNet(classes));
        _data = Fitted.View(_mlContext, Shapes.Pixels(60));
    }

    private string CheckpointPath => Path.Combine(_folder.Path, "run.ckpt");

    [TestCleanup]
    public void DeleteFolder() => _folder.Dispose();

    [TestMethod]
    [DataRow("momentum, dropout, augmentation", 1)]
    [DataRow("AdamW, early stopping", 2)]
    [DataRow("in the middle of an epoch", 2)]
    [DataRow("in the first epoch", 0)]
    [DataRow("in the first epoch, by the context", 0)]
    public void ATrainingThatWasCancelledGoesOnToTheSameWeights(string scenario, int cancelledAfterEpoch)
    {
        float[] undisturbed = Weights(Options(scenario));

        using (var cancellation = new CancellationTokenSource())
        {
            SharpnessAwareImageClassificationTrainer.Options options = Options(scenario);
            options.CheckpointPath = CheckpointPath;
            options.CancellationToken = cancellation.Token;
            if (cancelledAfterEpoch == 0 || scenario == "in the middle of an epoch")
            {
                DropoutNet.AtCall(cancelledAfterEpoch == 0 ? 6 : 40,
                    scenario.EndsWith("by the context", StringComparison.Ordinal) ? _mlContext.CancelExecution : cancellation.Cancel);
            }
            else
                options.MetricsCallback = epoch => Cancel(epoch, cancelledAfterEpoch, cancellation);
            Assert.ThrowsExactly<OperationCanceledException>(() => Weights(options));
        }

        if (scenario.EndsWith("by the context", StringComparison.Ordinal))
        {
            // One that was cancelled stays so.
            _mlContext = new MLContext(seed: 1);
            _data = Fitted.View(_mlContext, Shapes.Pixels(60));
        }

        SharpnessAwareImageClassificationTrainer.Options continued = Options(scenario);
        continued.CheckpointPath = CheckpointPath;
        List<int> epochs = [];
        continued.MetricsCallback = epoch => epochs.Add(epoch.Epoch);
        CollectionAssert.AreEqual(undisturbed, Weights(continued));
        Assert.AreEqual(cancelledAfterEpoch + 1, epochs[0], "it began with the epoch that was not complete");

        static void Cancel(EpochMetrics epoch, int last, CancellationTokenSource cancellation)
        {
            if (epoch.Epoch == last)
                cancellation.Cancel();
        }
    }

    [TestMethod]
    public void CrossValidationWithACheckpointSaysThatItIsOfOneTraining()
    {
        SharpnessAwareImageClassificationTrainer.Options options = Options("momentum");
        options.CheckpointPath = CheckpointPath;
        Exception exception = Assert.Throws<Exception>(() =>
            _mlContext.MulticlassClassification.CrossValidate(_data, Trainer(options), numberOfFolds: 2));
        StringAssert.Contains(exception.GetBaseException().Message, "CrossValidate, CrossFitted), leave CheckpointPath null");
    }

    [TestMethod]
    public void AFinishedTrainingGivesItsModelWithoutTraining()
    {
        SharpnessAwareImageClassificationTrainer.Options options = Options("momentum");
        options.CheckpointPath = CheckpointPath;
        float[] first = Weights(options);
        options.MetricsCallback = _ => Assert.Fail("it trained again");
        CollectionAssert.AreEqual(first, Weights(options));
    }

    [TestMethod]
    public void ATrainingThatStoppedEarlyIsFinishedToo()
    {
        ScriptedNetwork.Register([0.5, 0.75, 0.5, 0.5, 0.5, 0.5]);
        IDataView data = ScriptedNetwork.Rows(_mlContext);
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        ScriptedNetwork.Configure(options, data, epochs: 6);
        options.EarlyStoppingCriteria = new EarlyStopping(Patience: 2, Metric: EarlyStoppingMetric.Accuracy);
        options.CheckpointPath = CheckpointPath;
        using SharpnessAwareImageClassificationTransformer first = Trainer(options).Fit(data);
        Assert.HasCount(4, first.History);

        options.MetricsCallback = _ => Assert.Fail("it went on");
        using SharpnessAwareImageClassificationTransformer again = Trainer(options).Fit(data);

        Assert.HasCount(4, again.History);
    }

    /// <summary>In its sixth step it fails. The files are of the fourth and, before it, the second.</summary>
    [TestMethod]
    public void CheckpointsAreWrittenEverySoManyStepsOfAnEpoch()
    {
        float[] undisturbed = Weights(Options("momentum"));
        SharpnessAwareImageClassificationTrainer.Options options = Options("momentum");
        (options.CheckpointPath, options.CheckpointSteps) = (CheckpointPath, 2);
        DropoutNet.AtCall(12, () => throw new TimeoutException());
        Assert.ThrowsExactly<TimeoutException>(() => Weights(options));
        File.Copy(CheckpointPath + ".previous", CheckpointPath + ".earlier");

        List<string> log = [];
        _mlContext.Log += (_, entry) => log.Add(entry.Message);
        foreach ((string path, int step) in new[] { (CheckpointPath, 4), (CheckpointPath + ".earlier", 2) })
        {
            options.CheckpointPath = path;
            CollectionAssert.AreEqual(undisturbed, Weights(options));
            Assert.IsTrue(log.Exists(message => message.Contains($"'{path}' at epoch 1, step {step}.")), string.Join('\n', log));
        }
    }

    [TestMethod]
    public void TheBestModelOfACancelledTrainingCanBeHad()
    {
        using var cancellation = new CancellationTokenSource();
        SharpnessAwareImageClassificationTrainer.Options options = Options("momentum");
        options.CheckpointPath = CheckpointPath;
        options.CancellationToken = cancellation.Token;
        List<EpochMetrics> seen = [];
        options.MetricsCallback = epoch =>
        {
            seen.Add(epoch);
            if (seen.Count == 3)
                cancellation.Cancel();
        };
        SharpnessAwareImageClassificationTrainer trainer = Trainer(options);
        Assert.ThrowsExactly<OperationCanceledException>(() => trainer.Fit(_data));

        using SharpnessAwareImageClassificationTransformer best = trainer.BestFromCheckpoint();

        EpochMetrics lowest = seen.MinBy(epoch => epoch.ValidationLogLoss)!;
        Assert.AreEqual(lowest.Epoch, best.History[^1].Epoch);
        CollectionAssert.AreEqual(Shapes.Names, best.ClassNames.ToArray());
        Assert.HasCount(60, Fitted.Scores(_mlContext, best.Transform(_data)));
    }

    /// <summary>The GPU that the context names is not there, and is not asked for.</summary>
    [TestMethod]
    public void TheBestModelRunsOnTheDeviceOfTheOptions()
    {
        SharpnessAwareImageClassificationTrainer.Options options = Options("momentum");
        options.CheckpointPath = CheckpointPath;
        Weights(options);
        var elsewhere = new MLContext(seed: 1) { GpuDeviceId = 99, FallbackToCpu = false };
        options.Device = "cpu";

        using SharpnessAwareImageClassificationTransformer best =
            elsewhere.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).BestFromCheckpoint();

        Assert.AreEqual(DeviceType.CPU, best.Classifier.Device.type);
    }

    [TestMethod]
    public void ACheckpointOfOtherSettingsOrImagesIsRefusedWithWhatDiffers()
    {
        SharpnessAwareImageClassificationTrainer.Options options = Options("momentum");
        options.CheckpointPath = CheckpointPath;
        Weights(options);

        options.Method = SharpnessAwareMethod.Ssam(rho: 0.1);
        options.Epoch++;
        string message = Assert.ThrowsExactly<InvalidDataException>(() => Weights(options)).Message;
        StringAssert.Contains(message, "Method.Rho was 0.05, now 0.1; ");
        StringAssert.Contains(message, "Epoch was 5, now 6");
        Assert.IsFalse(message.Contains("Seed") || message.Contains("images was"), message);

        options = Options("momentum");
        options.CheckpointPath = CheckpointPath;
        options.Seed = 5;
        message = Assert.ThrowsExactly<InvalidDataException>(
            () => Trainer(options).Fit(Fitted.View(_mlContext, Shapes.Pixels(60, seed: 1)))).Message;
        StringAssert.Contains(message, "training images was");
        StringAssert.Contains(message, "Seed was 1, now 5");
    }

    [TestMethod]
    public void ADamagedCheckpointIsReplacedByTheOneBefore()
    {
        SharpnessAwareImageClassificationTrainer.Options options = Options("momentum");
        float[] undisturbed = Weights(options);
        options.CheckpointPath = CheckpointPath;
        Weights(options);
        byte[] content = File.ReadAllBytes(CheckpointPath);
        content[content.Length / 2] ^= 1;
        File.WriteAllBytes(CheckpointPath, content);

        List<string> warnings = [];
        _mlContext.CollectWarnings(warnings);
        List<int> epochs = [];
        options.MetricsCallback = epoch => epochs.Add(epoch.Epoch);
        CollectionAssert.AreEqual(undisturbed, Weights(options));
        CollectionAssert.AreEqual(new[] { 5 }, epochs);
        StringAssert.Contains(warnings.Single(warning => warning.Contains("checkpoint before the last")), "checksum is wrong");

        File.Delete(CheckpointPath + ".previous");
        File.WriteAllBytes(CheckpointPath, content);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Weights(options)).Message, "checksum is wrong");
    }

    [TestMethod]
    public void AFullOrForbiddenPlaceIsAnError()
    {
        SharpnessAwareImageClassificationTrainer.Options options = Options("momentum");
        options.CheckpointPath = Path.Combine(_folder.Path, "a file", "run.ckpt");
        File.WriteAllText(Path.Combine(_folder.Path, "a file"), "");
        Assert.Throws<IOException>(() => Weights(options));
    }

    private static SharpnessAwareImageClassificationTrainer.Options Options(string scenario)
    {
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        options.Arch = WithDropout;
        options.BatchSize = 8;
        options.Epoch = 5;
        options.Augmentation = Augmentation.Standard;
        options.MaxGradientNorm = 1;
        if (scenario.StartsWith("AdamW", StringComparison.Ordinal))
        {
            options.BaseOptimizer = new BaseOptimizer.AdamW(LearningRate: 0.01);
            options.EarlyStoppingCriteria = new EarlyStopping(Patience: 2);
        }

        return options;
    }

    private float[] Weights(SharpnessAwareImageClassificationTrainer.Options options)
    {
        using SharpnessAwareImageClassificationTransformer model = Trainer(options).Fit(_data);
        return [.. model.Classifier.Network.state_dict()
            .Values.SelectMany(tensor => tensor.to(ScalarType.Float32).contiguous().data<float>().ToArray())];
    }

    private SharpnessAwareImageClassificationTrainer Trainer(SharpnessAwareImageClassificationTrainer.Options options) =>
        _mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options);

    /// <summary>A network that draws random numbers, has running statistics, and can be interrupted in a pass.</summary>
    private sealed class DropoutNet : nn.Module<Tensor, Tensor>
    {
        private static int _callsLeft;
        private static Action? _action;

        private readonly Sequential _layers;

        public DropoutNet(int numberOfClasses)
            : base(nameof(DropoutNet))
        {
            _layers = nn.Sequential(
                nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(800, numberOfClasses));
            register_module("layers", _layers);
        }

        public static void AtCall(int number, Action action) => (_callsLeft, _action) = (number, action);

        public override Tensor forward(Tensor input)
        {
            if (--_callsLeft == 0)
                _action?.Invoke();
            return _layers.call(input);
        }
    }
}
