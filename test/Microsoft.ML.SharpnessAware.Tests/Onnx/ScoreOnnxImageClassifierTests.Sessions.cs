using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;

namespace Microsoft.ML.SharpnessAware.Tests;

// Sessions of ONNX Runtime: a second one, on a GPU, and with settings of one's own.
public sealed partial class ScoreOnnxImageClassifierTests
{
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void AnotherSessionHasTheSettingsAndTheColumnsAndOutlivesTheFirst(bool isLoaded)
    {
        using var folder = new TemporaryFolder();
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(30));
        using SharpnessAwareImageClassificationTransformer trained = Train(data);
        trained.SaveOnnx(folder.File("model.onnx"));
        OnnxImageClassifierTransformer model = _mlContext.Transforms
            .ScoreOnnxImageClassifier(folder.File("model.onnx"), "Image", "Probability", "Class").Fit(data);
        if (isLoaded)
        {
            _mlContext.Model.Save(model, data.Schema, folder.File("model.zip"));
            model.Dispose();
            model = (OnnxImageClassifierTransformer)_mlContext.Model.Load(folder.File("model.zip"), out _);
        }

        bool isCalled = false;
        using OnnxImageClassifierTransformer other = model.WithSession(options =>
        {
            isCalled = true;
            options.IntraOpNumThreads = 1;
        });
        model.Dispose();

        Assert.IsTrue(isCalled);
        IDataView scored = other.Transform(data);
        AssertSame(Fitted.Scores(_mlContext, trained.Transform(data)), [.. scored.GetColumn<float[]>("Probability")]);
        Assert.IsInstanceOfType<KeyDataViewType>(scored.Schema["Class"].Type);
    }

    [TestMethod]
    public void WithoutRoomForASecondSessionTheFirstScoresEveryBatch()
    {
        using var folder = new TemporaryFolder();
        using SharpnessAwareImageClassificationTransformer trained = Train(Fitted.View(_mlContext, Shapes.Pixels(40)));
        trained.SaveOnnx(folder.File("model.onnx"));
        byte[] file = File.ReadAllBytes(folder.File("model.onnx"));
        int tries = 0;
        List<string> warnings = [];
        _mlContext.Log += (_, e) => warnings.AddRange(e.Message.Contains("no memory", StringComparison.Ordinal) ? [e.Message] : []);
        using OnnxClassifier usual = OnnxClassifier.Load(_mlContext, file, "The model", configure: null);
        OnnxClassifier alone = OnnxClassifier.Load(_mlContext, file, "The model", configure: null, () =>
        {
            tries++;
            throw new InvalidDataException("There is no memory.");
        });
        byte[] pixels = new byte[usual.BatchSize * usual.Metadata.Shape.ValueCount];
        new Random(1).NextBytes(pixels);
        foreach (int rows in new[] { 1, usual.BatchSize, usual.BatchSize, 3 })
        {
            float[] expected = new float[rows * usual.NumberOfClasses], scores = new float[rows * usual.NumberOfClasses];
            usual.Score(pixels.AsMemory(0, rows * usual.Metadata.Shape.ValueCount), rows, expected);
            alone.Score(pixels.AsMemory(0, rows * usual.Metadata.Shape.ValueCount), rows, scores);
            AssertSame([expected], [scores]);
        }

        alone.Dispose();
        Assert.AreEqual(Environment.ProcessorCount > 1 ? 1 : 0, tries);
        Assert.HasCount(tries, warnings);
    }

    /// <summary>A GPU's settings are taken as they are, and that it is not there shows when the session is made.</summary>
    [TestMethod]
    [DataRow("settings that no session can have")]
    [DataRow("a package without CUDA")]
    public void AGpuThatIsNotThereIsNoDamageOfTheFile(string what)
    {
        using var folder = new TemporaryFolder();
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(30));
        using SharpnessAwareImageClassificationTransformer trained = Train(data);
        trained.SaveOnnx(folder.File("model.onnx"));
        byte[] file = File.ReadAllBytes(folder.File("model.onnx"));
        List<string> log = [];
        var falling = new MLContext(1) { GpuDeviceId = 3, FallbackToCpu = true };
        falling.Log += (_, e) => log.Add(e.Message);

        string message = Assert.ThrowsExactly<InvalidOperationException>(
            () => OnnxSession.CreateFor(new MLContext(1) { GpuDeviceId = 3, FallbackToCpu = false }, file, "The model", Append)).Message;
        StringAssert.Contains(message, "MLContext.GpuDeviceId is 3");
        StringAssert.Contains(message, "MLContext.FallbackToCpu");
        (InferenceSession session, bool isOnGpu) = OnnxSession.CreateFor(falling, file, "The model", Append);
        session.Dispose();
        Assert.IsFalse(isOnGpu);
        Assert.IsTrue(log.Any(line => line.Contains("GpuDeviceId is 3", StringComparison.Ordinal)), string.Join('\n', log));
        Assert.ThrowsExactly<InvalidDataException>(() => OnnxSession.CreateFor(falling, file[..100], "The model", Append));
        using OnnxImageClassifierTransformer model = falling.Transforms.ScoreOnnxImageClassifier(folder.File("model.onnx")).Fit(data);
        AssertSameColumns(trained.Transform(data), model.Transform(data));

        void Append(SessionOptions options, int device)
        {
            if (what != "settings that no session can have")
                throw new EntryPointNotFoundException("no CUDA");
            ForNoSession(options);
        }
    }

    [TestMethod]
    public void SettingsThatNoSessionCanHaveAreNoDamageOfTheFile()
    {
        using var folder = new TemporaryFolder();
        IDataView data = Fitted.View(_mlContext, Shapes.Pixels(30));
        using SharpnessAwareImageClassificationTransformer trained = Train(data);
        string path = folder.File("model.onnx");
        trained.SaveOnnx(path);
        using OnnxImageClassifierTransformer model = _mlContext.Transforms.ScoreOnnxImageClassifier(path).Fit(data);

        string message = Assert.ThrowsExactly<InvalidOperationException>(
            () => _mlContext.Transforms.ScoreOnnxImageClassifier(path, configureSession: ForNoSession)).Message;
        StringAssert.Contains(message, path);
        StringAssert.Contains(message, "with these session settings");
        Assert.ThrowsExactly<InvalidOperationException>(() => model.WithSession(ForNoSession));
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..200]);
        Assert.ThrowsExactly<InvalidDataException>(
            () => _mlContext.Transforms.ScoreOnnxImageClassifier(path, configureSession: _ => { }));
    }

    private static void ForNoSession(SessionOptions options) => options.AddSessionConfigEntry("session.load_model_format", "ORT");
}
