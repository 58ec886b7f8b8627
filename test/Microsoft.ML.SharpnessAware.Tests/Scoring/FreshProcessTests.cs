using System.Text;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class FreshProcessTests
{
    private static readonly string ModelPath = Path.Combine(Path.GetTempPath(), $"model-{Guid.NewGuid():N}.zip");
    private static float[][] _scores = [];

    [ClassInitialize]
    public static void Train(TestContext _)
    {
        var mlContext = new MLContext(1);
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(60));
        using var model = Fitted.Model(mlContext, data, options => options.Epoch = 1);
        mlContext.Model.Save(model, data.Schema, ModelPath);
        _scores = Fitted.Scores(mlContext, model.Transform(mlContext.Data.LoadFromEnumerable(Shapes.Pixels(20, seed: 11))));
    }

    [ClassCleanup]
    public static void Free() => File.Delete(ModelPath);

    [TestMethod]
    public void AProcessThatNeverTrainedGivesBitIdenticalScoresFromTheFileAlone()
    {
        (int exitCode, string output, string error) = FreshProcess.Run(FreshProcess.Folder, ["score", ModelPath]);

        Assert.AreEqual(0, exitCode, error);
        string[] expected = [.. _scores.Select(row => string.Join(' ', row.Select(BitConverter.SingleToUInt32Bits)))];
        CollectionAssert.AreEqual(expected, output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
    }

    [TestMethod]
    public void FilesAreWrittenAndReadWhereReflectionIsTurnedOffForJson()
    {
        using var folder = new TemporaryFolder();

        (int exitCode, _, string error) = FreshProcess.Run(FreshProcess.Folder, ["files", folder.Path]);

        Assert.AreEqual(0, exitCode, error);
        string weights = Encoding.UTF8.GetString(File.ReadAllBytes(folder.File("weights.safetensors")));
        StringAssert.Contains(weights, string.Join("\\u0022,\\u0022", Shapes.Names), "the names of the classes");
        Assert.IsTrue(File.Exists(folder.File("model.onnx")));
    }

    [TestMethod]
    public void AMissingNativeBackendIsOneClearExceptionThatNamesThePackage()
    {
        string folder = Path.Combine(Path.GetTempPath(), $"no-backend-{Guid.NewGuid():N}");
        Directory.CreateDirectory(folder);
        try
        {
            foreach (string file in Directory.EnumerateFiles(FreshProcess.Folder))
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));

            // TorchSharp also looks into the user's package folder; an empty one stands for a machine without the package.
            (int exitCode, _, string error) = FreshProcess.Run(folder, ["score", ModelPath], ("NUGET_PACKAGES", folder), ("HOME", folder));

            Assert.AreEqual(2, exitCode);
            StringAssert.Contains(error, "InvalidOperationException: TorchSharp's native library libtorch could not be loaded");
            StringAssert.Contains(error, "libtorch-cpu-");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
