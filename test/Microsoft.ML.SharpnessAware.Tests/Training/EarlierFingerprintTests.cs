using Microsoft.ML.Data;
using static TorchSharp.torch;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

/// <summary>What a checkpoint of another version does not tell of its training, or tells in another way.</summary>
[TestClass]
public sealed class EarlierFingerprintTests
{
    private const string Normalisation = "mean and deviation that normalise the pixels";

    private readonly TemporaryFolder _folder = new();
    private readonly MLContext _mlContext = new(seed: 1);

    [TestCleanup]
    public void DeleteFolder() => _folder.Dispose();

    [TestMethod]
    public void ASettingThatTheFileDoesNotKnowMustBeAtItsDefault()
    {
        RunFingerprint now = Fingerprint(new Options { Arch = NetworkArchitecture.ConvNet }), set = Fingerprint(new Options
        {
            Arch = NetworkArchitecture.ConvNet,
            FreezeEpochs = 1,
        });
        byte[] then = Without(now, "FreezeEpochs"), withMore = With(now, "FutureSetting", "1");

        now.CheckSame(Reader(then), CheckpointFile.Version);
        StringAssert.Contains(Refused(set, then), "FreezeEpochs was not known, now 1");
        StringAssert.Contains(Refused(now, withMore), "FutureSetting was 1, now not known");
        StringAssert.Contains(Refused(now, Without(now, "training images")), "training images was not known");
    }

    /// <summary>What a version chose to normalise with is not what each later one chooses.</summary>
    [TestMethod]
    public void AnotherNormalisationOfThePixelsIsRefusedAndFilesThatDoNotTellItAreTakenToHaveThatOfTheirVersion()
    {
        using InitialWeights asTheyAre = Weights(channels: 1), ofColour = Weights(channels: 3);
        var asWeights = new PixelStatistics([50], [60], ScalarType.Byte);
        RunFingerprint ofData = Fingerprint(ConvNet()), other = Fingerprint(ConvNet(), asWeights);

        StringAssert.Contains(Refused(other, Rewritten(ofData, _ => { })), $"{Normalisation} was");
        other.CheckSame(Reader(Rewritten(other, _ => { })), CheckpointFile.Version);

        GoesOnWithout(other);
        GoesOnWithout(Fingerprint(ConvNet(), asWeights, asTheyAre));
        GoesOnWithout(Fingerprint(ConvNet(), statistics: null, ofColour));
        Options given = ConvNet();
        given.Normalization = PixelNormalization.Of([50 / 255.0], [60 / 255.0]);
        GoesOnWithout(Fingerprint(given, asWeights, ofColour));
        RunFingerprint converted = Fingerprint(ConvNet(), asWeights, ofColour);
        StringAssert.Contains(Refused(converted, Rewritten(converted, Forget)), $"{Normalisation} was");

        static Options ConvNet() => new() { Arch = NetworkArchitecture.ConvNet };

        static void Forget(Dictionary<string, string> fields) => fields.Remove(Normalisation);

        static void GoesOnWithout(RunFingerprint fingerprint) =>
            fingerprint.CheckSame(Reader(Rewritten(fingerprint, Forget)), CheckpointFile.Version);
    }

    /// <summary>Of weights that tell no normalisation the first version took that of the images, and later ones what is usual.</summary>
    [TestMethod]
    public void ACheckpointOfVersion1WithWeightsThatTellNoNormalisationHadThatOfTheImages()
    {
        var shape = new ImageShape(3, Shapes.Size, Shapes.Size);
        string path = _folder.File("bare.safetensors");
        using (var network = NetworkArchitecture.Create(NetworkArchitecture.ConvNet, 3, shape))
        using (FileStream file = File.Create(path))
            ModuleWeights.Save(network, file);
        using InitialWeights weights = InitialWeights.Read(_mlContext, path, NetworkArchitecture.ConvNet)!;
        Assert.IsTrue(weights.AreOf(ScalarType.Byte, shape) && !weights.TellsStatistics);
        ColourRow[] rows = [.. Shapes.Pixels(12).Select((row, i) => new ColourRow
        {
            Image = [.. Enumerable.Repeat(row.Image, 3).SelectMany(plane => plane)], Label = (uint)(i % 2) + 1,
        })];
        IDataView colours = _mlContext.Data.LoadFromEnumerable(rows);
        var usual = new PixelStatistics([120, 110, 100], [60, 60, 60], ScalarType.Byte);
        var options = new Options { Arch = NetworkArchitecture.ConvNet };

        RunFingerprint now = Fingerprint(options, usual, weights, colours);
        now.CheckSame(Reader(Rewritten(now, fields => fields.Remove(Normalisation))), version: 2);
        string refused = Assert.ThrowsExactly<InvalidDataException>(
            () => now.CheckSame(Reader(Rewritten(now, fields => fields.Clear())), version: 1)).Message;
        StringAssert.Contains(refused, $"{Normalisation} was");
        RunFingerprint ofImages = Fingerprint(options, statistics: null, weights, colours);
        refused = Assert.ThrowsExactly<InvalidDataException>(
            () => ofImages.CheckSame(Reader(Rewritten(ofImages, fields => fields.Clear())), version: 1)).Message;
        Assert.DoesNotContain($"{Normalisation} was", refused);
    }

    [TestMethod]
    public void SettingsOfModulesThatAFileHasAsASumAreNotCompared()
    {
        CountingNetwork.Register();
        RunFingerprint now = Fingerprint(new Options { Arch = CountingNetwork.Name });
        byte[] earlier = Rewritten(now, fields =>
        {
            Assert.IsTrue(fields.ContainsKey("settings of the modules"));
            fields["settings of the modules"] = $"108, SHA-256 {new string('A', 64)}";
        });
        now.CheckSame(Reader(earlier), CheckpointFile.Version);
    }

    private static string Refused(RunFingerprint fingerprint, byte[] file) =>
        Assert.ThrowsExactly<InvalidDataException>(() => fingerprint.CheckSame(Reader(file), CheckpointFile.Version)).Message;

    private static BinaryReader Reader(byte[] file) => new(new MemoryStream(file));

    /// <summary>Of bytes with mean 50 and deviation 60.</summary>
    private InitialWeights Weights(int channels)
    {
        var shape = new ImageShape(channels, Shapes.Size, Shapes.Size);
        double[] mean = [.. Enumerable.Repeat(50.0, channels)], deviation = [.. Enumerable.Repeat(60.0, channels)];
        var statistics = new PixelStatistics(mean, deviation, ScalarType.Byte);
        using var network = NetworkArchitecture.Create(NetworkArchitecture.ConvNet, 3, shape);
        using var normalization = new Normalization(statistics, CPU);
        string path = _folder.File($"{channels}.safetensors");
        WeightsFile.Save(path, new ImageClassifier(NetworkArchitecture.ConvNet, network, CPU, shape, ScalarType.Byte, normalization, 3),
            temperature: 1, ["a", "b", "c"]);
        return InitialWeights.Read(_mlContext, path, architecture: null)!;
    }

    private static RunFingerprint Fingerprint(
        Options options, PixelStatistics? statistics = null, InitialWeights? initialWeights = null, IDataView? data = null)
    {
        var mlContext = new MLContext(1);
        using var random = new TorchRandom(1);
        Runtime.IHost host = ((Runtime.IHostEnvironment)mlContext).Register("test");
        using Runtime.IChannel channel = host.Start("test");
        options.FeatureColumnName = "Image";
        using TrainingImages images = TrainingImages.Load(
            data ?? Fitted.View(mlContext, Shapes.Pixels(12)), options, labelValues: null, new TrainingContext(host, channel, 1, random));
        using var network = NetworkArchitecture.Create(options.Arch, 3, images.Training.Shape);
        using var normalization = new Normalization(statistics ?? PixelStatistics.FromData(images.Training), CPU);
        var classifier = new ImageClassifier(options.Arch, network, CPU, images.Training.Shape, images.Training.PixelType, normalization,
            3);
        return RunFingerprint.Of(options, images, classifier, initialWeights, seed: 1);
    }

    private static byte[] Without(RunFingerprint fingerprint, string name) =>
        Rewritten(fingerprint, fields => Assert.IsTrue(fields.Remove(name)));

    private static byte[] With(RunFingerprint fingerprint, string name, string value) =>
        Rewritten(fingerprint, fields => fields.Add(name, value));

    private static byte[] Rewritten(RunFingerprint fingerprint, Action<Dictionary<string, string>> change)
    {
        using var written = new MemoryStream();
        using var writer = new BinaryWriter(written);
        fingerprint.Write(writer);
        written.Position = 0;
        using var reader = new BinaryReader(written);
        Dictionary<string, string> fields = Enumerable.Range(0, reader.ReadInt32())
            .ToDictionary(_ => reader.ReadString(), _ => reader.ReadString());
        change(fields);
        using var result = new MemoryStream();
        using var rewriter = new BinaryWriter(result);
        rewriter.Write(fields.Count);
        foreach ((string name, string value) in fields)
        {
            rewriter.Write(name);
            rewriter.Write(value);
        }
        return result.ToArray();
    }

    private sealed class ColourRow
    {
        [VectorType(3, Shapes.Size, Shapes.Size)]
        public byte[] Image { get; set; } = [];

        [KeyType(3)]
        public uint Label { get; set; }
    }
}
