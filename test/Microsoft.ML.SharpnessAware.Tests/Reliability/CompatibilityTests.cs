using System.IO.Compression;
using System.Text.Json;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Reliability;

/// <summary>
/// Files that an earlier version wrote. They are never written again: a version that changes a format adds a folder of its own
/// (`FreshProcess assets`, see Assets/README.md), and goes on reading these.
/// </summary>
[TestClass]
public sealed class CompatibilityTests
{
    private const float Tolerance = 1e-5f;      // processors round differently

    private readonly MLContext _mlContext = new(seed: 1);

    public static IEnumerable<object[]> Versions { get; } = Directory.EnumerateDirectories("Assets", "version-*")
        .Select(folder => new object[] { folder });

    [ClassInitialize]
    public static void Register(TestContext _) => CompatibilityAssets.RegisterNetwork();

    [TestMethod]
    public void ThereIsAFileOfTheModelVersionThatIsWrittenNow()
    {
        byte[] magic = BitConverter.GetBytes(0x00010004);
        byte[] now = Written(_mlContext);
        Assert.IsGreaterThan(0, now.AsSpan().IndexOf(magic), "The model file has a new version: keep files of it, too (Assets/README.md).");
    }

    [TestMethod]
    [DataRow("version-1.2", 0x00010001u)]
    [DataRow("version-1.3", 0x00010002u)]
    [DataRow("version-1.4", 0x00010002u)]
    public void TheCalibratorsKeptAreOfTheirVersion(string folder, uint version)
    {
        using ZipArchive zip = ZipFile.OpenRead(Path.Combine("Assets", folder, CompatibilityAssets.ModelFile));
        Assert.AreEqual(4, zip.Entries.Count(entry => Content(entry).IndexOf([.. "MULTICAL"u8, .. BitConverter.GetBytes(version)]) > 0));
    }

    [TestMethod]
    public void ThereIsAFileOfTheCalibratorVersionThatIsWrittenNow()
    {
        IDataView data = CompatibilityAssets.TrainingRows(_mlContext);
        using SharpnessAwareImageClassificationTransformer model = CompatibilityAssets.Trainer(_mlContext).Fit(data);
        using var file = new MemoryStream();
        _mlContext.Model.Save(_mlContext.MulticlassClassification.Calibrators.Temperature().Fit(model.Transform(data)), data.Schema, file);
        using var zip = new ZipArchive(file);
        Assert.IsTrue(
            zip.Entries.Any(entry => Content(entry).IndexOf([.. "MULTICAL"u8, .. BitConverter.GetBytes(0x00010002)]) > 0),
            "The calibrator file has a new version: keep files of it, too (Assets/README.md).");
    }

    [TestMethod]
    [DynamicData(nameof(Versions))]
    public void ModelAndCalibratorsGiveTheScoresTheyGaveThen(string folder)
    {
        var chain = (TransformerChain<ITransformer>)_mlContext.Model.Load(Path.Combine(folder, CompatibilityAssets.ModelFile),
            out DataViewSchema schema);
        Assert.IsNotNull(schema.GetColumnOrNull("Image"));
        float[][][] expected = Expected(folder).OfEachTransformer;
        float[][][] actual = [.. CompatibilityAssets.ScoresOfEach(_mlContext, chain)];
        Assert.HasCount(expected.Length, actual);
        for (int i = 0; i < expected.Length; i++)
            AreSame(expected[i], actual[i], Tolerance);
        ((IDisposable)chain).Dispose();
    }

    [TestMethod]
    [DynamicData(nameof(Versions))]
    public void ACheckpointGivesItsBestModelAndGoesOn(string folder)
    {
        using var copy = new TemporaryFolder();
        string checkpoint = copy.File(CompatibilityAssets.CheckpointFile);
        File.Copy(Path.Combine(folder, CompatibilityAssets.CheckpointFile), checkpoint);
        CompatibilityAssets.Expected expected = Expected(folder);
        using (SharpnessAwareImageClassificationTransformer best = CompatibilityAssets.Trainer(_mlContext, checkpoint).BestFromCheckpoint())
            AreSame(expected.OfTheBestModel, ScoresAtTheTemperatureOf(expected.OfTheBestModel, best), Tolerance);

        List<int> epochs = [];
        using SharpnessAwareImageClassificationTransformer end =
            CompatibilityAssets.Trainer(_mlContext, checkpoint, epoch => epochs.Add(epoch.Epoch))
            .Fit(CompatibilityAssets.TrainingRows(_mlContext));
        CollectionAssert.AreEqual(new[] { CompatibilityAssets.Epochs }, epochs);
        AreSame(expected.OfTheTrainingsEnd, ScoresAtTheTemperatureOf(expected.OfTheTrainingsEnd, end), 1e-3f);
    }

    /// <summary>
    /// The temperature is not in a checkpoint: it is fitted where a model is made of it, which later versions do in another way. One of the
    /// expected scores gives the temperature then, and all others must follow.
    /// </summary>
    private float[][] ScoresAtTheTemperatureOf(float[][] expected, SharpnessAwareImageClassificationTransformer model)
    {
        IDataView rows = CompatibilityAssets.Rows(_mlContext);
        using SharpnessAwareImageClassificationTransformer network = model.WithTemperature(1);
        float[] scores = Fitted.Scores(_mlContext, network.Transform(rows))[0];
        using SharpnessAwareImageClassificationTransformer then = model.WithTemperature(
            Math.Log(scores[0] / scores[1]) / Math.Log(expected[0][0] / expected[0][1]));
        return Fitted.Scores(_mlContext, then.Transform(rows));
    }

    private static CompatibilityAssets.Expected Expected(string folder) =>
        JsonSerializer.Deserialize<CompatibilityAssets.Expected>(File.ReadAllText(Path.Combine(folder, CompatibilityAssets.ScoresFile)))!;

    private static void AreSame(float[][] expected, float[][] actual, float tolerance)
    {
        Assert.HasCount(expected.Length, actual);
        for (int row = 0; row < expected.Length; row++)
        {
            for (int k = 0; k < expected[row].Length; k++)
                Assert.AreEqual(expected[row][k], actual[row][k], tolerance, $"row {row}, class {k}");
        }
    }

    /// <summary>The header of a model that is saved now.</summary>
    private static byte[] Written(MLContext mlContext)
    {
        IDataView data = CompatibilityAssets.TrainingRows(mlContext);
        using SharpnessAwareImageClassificationTransformer model = CompatibilityAssets.Trainer(mlContext).Fit(data);
        using var file = new MemoryStream();
        mlContext.Model.Save(model, data.Schema, file);
        using var zip = new ZipArchive(file);
        return Content(zip.Entries.Where(entry => entry.Name == "Model.key").MaxBy(entry => entry.Length)!).ToArray();
    }

    private static ReadOnlySpan<byte> Content(ZipArchiveEntry entry)
    {
        using Stream stream = entry.Open();
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }
}
