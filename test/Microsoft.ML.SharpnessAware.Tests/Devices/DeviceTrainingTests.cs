namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A whole training on a device, its checkpoint and its model.</summary>
[TestClass]
[TestCategory(DeviceUnderTest.Category)]
public sealed class DeviceTrainingTests
{
    private readonly TemporaryFolder _folder = new();
    private readonly MLContext _mlContext = new(seed: 1);
    private readonly IDataView _data;

    public DeviceTrainingTests()
    {
        DeviceUnderTest.ComputeInFullPrecision();
        _data = Fitted.View(_mlContext, Shapes.Pixels(120));
    }

    [TestCleanup]
    public void DeleteFolder() => _folder.Dispose();

    [TestMethod]
    public void ATrainingLearnsAndItsModelGivesTheSameScoresWhenItIsLoaded()
    {
        using SharpnessAwareImageClassificationTransformer model = Model();
        float[][] scores = Fitted.Scores(_mlContext, model.Transform(_data));
        Assert.IsGreaterThan(0.9, _mlContext.MulticlassClassification.Evaluate(model.Transform(_data)).MicroAccuracy);

        string path = Path.Combine(_folder.Path, "model.zip");
        _mlContext.Model.Save(model, _data.Schema, path);
        ITransformer loaded = _mlContext.Model.Load(path, out _);
        Same(scores, Fitted.Scores(_mlContext, loaded.Transform(_data)), tolerance: 1e-5f);
        (loaded as IDisposable)?.Dispose();
    }

    [TestMethod]
    public void AModelOfTheCpuGivesItsScoresHere()
    {
        using SharpnessAwareImageClassificationTransformer model = Model(options => options.Device = "cpu");
        string path = Path.Combine(_folder.Path, "model.zip");
        _mlContext.Model.Save(model, _data.Schema, path);

        var here = new MLContext(seed: 1);
        ITransformer loaded = here.Model.Load(path, out _);        // on a GPU where there is one
        Same(Fitted.Scores(_mlContext, model.Transform(_data)), Fitted.Scores(here, loaded.Transform(_data)), tolerance: 1e-4f);
        (loaded as IDisposable)?.Dispose();
    }

    [TestMethod]
    public void AModelThatWasLoadedHereIsPutOnTheCpuAndBack()
    {
        using SharpnessAwareImageClassificationTransformer model = Model();
        float[][] expected = Fitted.Scores(_mlContext, model.Transform(_data));
        string here = $"{model.Classifier.Device}";
        using SharpnessAwareImageClassificationTransformer onCpu = model.WithDevice("cpu"), back = onCpu.WithDevice(here);

        Assert.AreEqual("cpu", $"{onCpu.Classifier.Device}");
        Same(expected, Fitted.Scores(_mlContext, onCpu.Transform(_data)), tolerance: 1e-4f);
        Same(expected, Fitted.Scores(_mlContext, back.Transform(_data)), tolerance: 1e-5f);
    }

    [TestMethod]
    public void ATrainingThatWasCancelledGoesOnWithTheEpochThatIsNext()
    {
        using SharpnessAwareImageClassificationTransformer undisturbed = Model();
        string checkpoint = Path.Combine(_folder.Path, "run.ckpt");
        using var cancellation = new CancellationTokenSource();
        Assert.ThrowsExactly<OperationCanceledException>(() => Model(options =>
        {
            options.CheckpointPath = checkpoint;
            options.CancellationToken = cancellation.Token;
            options.MetricsCallback = epoch => CancelAfter(epoch, cancellation);
        }));

        List<int> epochs = [];
        using SharpnessAwareImageClassificationTransformer resumed = Model(options =>
        {
            options.CheckpointPath = checkpoint;
            options.MetricsCallback = epoch => epochs.Add(epoch.Epoch);
        });

        Assert.AreEqual(3, epochs[0]);
        Same(Fitted.Scores(_mlContext, undisturbed.Transform(_data)), Fitted.Scores(_mlContext, resumed.Transform(_data)),
            DeviceUnderTest.IsCuda ? 1e-2f : 0);

        static void CancelAfter(EpochMetrics epoch, CancellationTokenSource cancellation)
        {
            if (epoch.Epoch == 2)
                cancellation.Cancel();
        }
    }

    private SharpnessAwareImageClassificationTransformer Model(
        Action<SharpnessAwareImageClassificationTrainer.Options>? change = null) => Fitted.Model(_mlContext, _data, options =>
    {
        options.Device = DeviceUnderTest.Name;
        options.Method = SharpnessAwareMethod.Csam();
        options.Augmentation = Augmentation.None;
        options.Epoch = 6;
        change?.Invoke(options);
    });

    private static void Same(float[][] expected, float[][] actual, float tolerance)
    {
        Assert.HasCount(expected.Length, actual);
        float greatest = expected.Zip(actual, (a, b) => a.Zip(b, (x, y) => Math.Abs(x - y)).Max()).Max();
        Assert.IsLessThanOrEqualTo(tolerance, greatest);
    }
}
