using Microsoft.ML.SharpnessAware.Tests.Calibration;

namespace Microsoft.ML.SharpnessAware.Tests.Reliability;

/// <summary>Everything that the library writes, in places where it may fail, and where it must not.</summary>
[TestClass]
public sealed class FileTests
{
    private const string Weights = "weights", Model = "model", Calibrator = "calibrator", Checkpoint = "checkpoint", Diagram = "diagram",
        Drawing = "drawing", Report = "report", ContactSheet = "contact sheet";

    private static readonly MLContext MLContext = new(1);
    private static IDataView _data = null!;
    private static SharpnessAwareImageClassificationTransformer _model = null!;
    private static MulticlassCalibratorTransformer _calibrator = null!;
    private static MulticlassCalibrationMetrics _metrics = null!;

    public static IEnumerable<object[]> Kinds { get; } =
        new[] { Weights, Model, Calibrator, Checkpoint, Diagram, Drawing, Report, ContactSheet }.Select(kind => new object[] { kind });

    [ClassInitialize]
    public static void Train(TestContext _)
    {
        _data = Fitted.View(MLContext, Shapes.Pixels(48));
        _model = Fitted.Model(MLContext, _data, options => options.Arch = NetworkArchitecture.ConvNet);
        IDataView scored = _model.Transform(_data);
        _calibrator = MLContext.MulticlassClassification.Calibrators.Vector().Fit(scored);
        _metrics = MLContext.MulticlassClassification.EvaluateCalibration(scored);
    }

    [ClassCleanup]
    public static void Free() => _model.Dispose();

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void AReadOnlyFolderIsAnErrorThatNamesTheFileAndTheOldOneStays(string kind)
    {
        using SmallDisk disk = SmallDisk.Mount(kilobytes: 4096);
        Write(kind, disk.Folder.File("file"));
        disk.MakeReadOnly();
        FailsAndLeavesEverything(kind, disk.Folder, "Read-only");
    }

    [TestMethod]
    public void AForbiddenFolderIsAnErrorThatNamesTheFileAndTheOldOneStays()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Inconclusive("A folder's permissions are set otherwise on Windows.");
            return;
        }
        if (Environment.IsPrivilegedProcess)
            Assert.Inconclusive("Root may write everywhere; see the test with a read-only file system.");
        foreach (object[] kind in Kinds)
        {
            using var folder = new TemporaryFolder();
            Write((string)kind[0], folder.File("file"));
            UnixFileMode mode = File.GetUnixFileMode(folder.Path);
            File.SetUnixFileMode(folder.Path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
            try
            {
                FailsAndLeavesEverything((string)kind[0], folder, "denied");
            }
            finally
            {
                File.SetUnixFileMode(folder.Path, mode);
            }
        }
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void AFullDiskIsAnErrorThatNamesTheFileAndTheOldOneStays(string kind)
    {
        using SmallDisk disk = SmallDisk.Mount(kilobytes: 4096);
        Write(kind, disk.Folder.File("file"));
        disk.Fill();
        FailsAndLeavesEverything(kind, disk.Folder, "No space");
    }

    [TestMethod]
    public void ATrainingThatCannotWriteItsCheckpointKeepsTheOneBefore()
    {
        using SmallDisk disk = SmallDisk.Mount(kilobytes: 4096);
        string path = disk.Folder.File("run.ckpt");
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        (options.Arch, options.CheckpointPath) = (NetworkArchitecture.ConvNet, path);
        options.MetricsCallback = epoch =>
        {
            if (epoch.Epoch == 2)
                disk.Fill();
        };
        var trainer = MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options);
        StringAssert.Contains(Assert.Throws<IOException>(() => trainer.Fit(_data)).Message, path);

        File.Delete(disk.Folder.File("filler"));
        using (SharpnessAwareImageClassificationTransformer best = trainer.BestFromCheckpoint())
            Assert.IsGreaterThanOrEqualTo(1, best.History[^1].Epoch);
        List<int> epochs = [];
        options.MetricsCallback = epoch => epochs.Add(epoch.Epoch);
        using SharpnessAwareImageClassificationTransformer continued =
            MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(_data);
        CollectionAssert.AreEqual(new[] { 3 }, epochs);
        CollectionAssert.AreEqual(Flat(_model), Flat(continued));
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void APathMayHaveSpacesAndAnyLetters(string kind)
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("Ordner mit Ümläuten/模型 датасет/my file (1) #ü%20.bin");
        Write(kind, path);
        Write(kind, path);
        Check(kind, path);
        string[] names = [.. Directory.EnumerateFiles(Path.GetDirectoryName(path)!).Select(file => Path.GetFileName(file))
            .Order(StringComparer.Ordinal)];
        string name = Path.GetFileName(path);
        CollectionAssert.AreEqual(kind == Checkpoint ? [name, name + ".previous"] : new[] { name }, names);
    }

    [TestMethod]
    public void ImagesAndInitialWeightsAreReadFromPathsWithSpacesAndAnyLetters()
    {
        using var folder = new TemporaryFolder();
        foreach (EncodedRow row in Shapes.Encoded(12))
        {
            string image = folder.File($"größe 日本/{row.Label} ä/{Path.GetFileName(row.ImagePath)} é.png");
            Directory.CreateDirectory(Path.GetDirectoryName(image)!);
            File.WriteAllBytes(image, row.Image);
        }
        string weights = folder.File("größe 日本/weights ü.safetensors");
        IDataView data = Fitted.Keys(MLContext, MLContext.Data.LoadImagesFromFolder(folder.File("größe 日本")));
        using (var first = Fitted.Model(MLContext, data, options => (options.Arch, options.Epoch) = (NetworkArchitecture.ConvNet, 1)))
            first.SaveWeights(weights);
        using var second = Fitted.Model(MLContext, data, options =>
            (options.Arch, options.Epoch, options.InitialWeights) = (NetworkArchitecture.ConvNet, 1, weights));
        CollectionAssert.AreEqual(Shapes.Names.Select(name => name + " ä").ToArray(), second.ClassNames.ToArray());
    }

    /// <summary>On Unix the other goes on reading the old file; Windows refuses to replace a file that is in use.</summary>
    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void AFileThatIsOpenElsewhereIsReplacedOrStaysAsItIs(string kind)
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("file");
        Write(kind, path);
        byte[] before = File.ReadAllBytes(path);
        using (FileStream other = new(path, FileMode.Open, FileAccess.Read, FileShare.None))
        {
            try
            {
                Write(kind, path);
            }
            catch (IOException e) when (OperatingSystem.IsWindows())
            {
                StringAssert.Contains(e.Message, path);
            }
            byte[] read = new byte[before.Length];
            other.ReadExactly(read);
            CollectionAssert.AreEqual(before, read);
        }
        Check(kind, path);
        Assert.IsFalse(folder.FileNames().Any(name => name.EndsWith(".tmp", StringComparison.Ordinal)));
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void ACommaAsDecimalPointChangesNoFile(string kind)
    {
        using var folder = new TemporaryFolder();
        Write(kind, folder.File("invariant"));
        using (new CultureScope("de-DE"))
        {
            Write(kind, folder.File("german"));
            Check(kind, folder.File("invariant"));
        }
        Check(kind, folder.File("german"));
        if (kind is not (Model or Calibrator))      // ML.NET's zip has the time in it
            CollectionAssert.AreEqual(File.ReadAllBytes(folder.File("invariant")), File.ReadAllBytes(folder.File("german")));
    }

    [TestMethod]
    public void ATrainingBegunWithACommaAsDecimalPointGoesOnWithoutOne()
    {
        using var folder = new TemporaryFolder();
        using var cancellation = new CancellationTokenSource();
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        (options.Arch, options.CheckpointPath) = (NetworkArchitecture.ConvNet, folder.File("run.ckpt"));
        options.CancellationToken = cancellation.Token;
        options.MetricsCallback = _ => cancellation.Cancel();
        using (new CultureScope("de-DE"))
            Assert.ThrowsExactly<OperationCanceledException>(() => Fit());
        options.CancellationToken = default;
        options.MetricsCallback = null;
        using SharpnessAwareImageClassificationTransformer continued = Fit();
        CollectionAssert.AreEqual(Flat(_model), Flat(continued));

        SharpnessAwareImageClassificationTransformer Fit() =>
            MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(_data);
    }

    /// <summary>ML.NET's own Save cannot be helped, since it is ML.NET that opens the file; SaveAtomically can.</summary>
    [TestMethod]
    public void AModelThatFailsToSaveLeavesTheEarlierOne()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("model.zip");
        MLContext.Model.SaveAtomically(_model, _data.Schema, path);
        SharpnessAwareImageClassificationTransformer disposed = _model.WithTemperature(2);
        disposed.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => MLContext.Model.SaveAtomically(disposed, _data.Schema, path));
        Check(Model, path);
        CollectionAssert.AreEqual(new[] { "model.zip" }, folder.FileNames());
    }

    private static void FailsAndLeavesEverything(string kind, TemporaryFolder folder, string expected)
    {
        string path = folder.File("file");
        string[] names = folder.FileNames();
        byte[] before = File.ReadAllBytes(path);
        var e = Assert.Throws<IOException>(() => Write(kind, path));
        StringAssert.Contains(e.Message, path);
        StringAssert.Contains(e.Message, expected);
        CollectionAssert.AreEqual(before, File.ReadAllBytes(path));
        CollectionAssert.AreEqual(names, folder.FileNames());
        Check(kind, path);
    }

    private static void Write(string kind, string path)
    {
        switch (kind)
        {
            case Weights:
                _model.SaveWeights(path);
                break;
            case Model:
                MLContext.Model.SaveAtomically(_model, _data.Schema, path);
                break;
            case Calibrator:
                // With the network before it, so that it fills more than the few kilobytes of a full disk.
                MLContext.Model.SaveAtomically(new Data.TransformerChain<ITransformer>(_model, _calibrator), _data.Schema, path);
                break;
            case Checkpoint:
                new CheckpointFile(path).Write(writer => writer.Write(new byte[100_000]));
                break;
            case Diagram:
                _metrics.ReliabilityDiagram.SavePng(path);
                break;
            case Drawing:
                _metrics.ReliabilityDiagram.SaveSvg(path);
                break;
            case Report:
                new CalibrationReport(MLContext).Add("model", _metrics).SaveHtml(path);
                break;
            default:
                Augmentation.Standard.SaveContactSheet(path, _data, "Image");
                break;
        }
    }

    /// <summary>Reads the file, where the library reads it, or looks whether it is whole.</summary>
    private static void Check(string kind, string path)
    {
        switch (kind)
        {
            case Weights:
                using (var stream = File.OpenRead(path))
                using (TorchSharp.torch.NewDisposeScope())
                    Assert.HasCount(_model.Classifier.Network.state_dict().Count, SafetensorsFile.Read(stream));
                break;
            case Model:
            {
                using var loaded = (SharpnessAwareImageClassificationTransformer)MLContext.Model.Load(path, out _);
                CollectionAssert.AreEqual(Flat(_model), Flat(loaded));
                break;
            }
            case Calibrator:
            {
                ITransformer loaded = MLContext.Model.Load(path, out _);
                CollectionAssert.AreEqual(
                    Fitted.Scores(MLContext, _calibrator.Transform(_model.Transform(_data))).SelectMany(row => row).ToArray(),
                        Flat(loaded));
                (loaded as IDisposable)?.Dispose();
                break;
            }
            case Checkpoint:
            {
                var host = ((Runtime.IHostEnvironment)MLContext).Register("test");
                using Runtime.IChannel channel = host.Start("test");
                Assert.IsTrue(new CheckpointFile(path).Read((reader, _) => Assert.HasCount(100_000, reader.ReadBytes(100_001)), channel));
                break;
            }
            case Diagram or ContactSheet:
                using (var bitmap = SkiaSharp.SKBitmap.Decode(path))
                    Assert.IsGreaterThan(50, bitmap.Width);
                break;
            default:
                StringAssert.EndsWith(File.ReadAllText(path).TrimEnd(), kind == Drawing ? "</svg>" : "</html>");
                break;
        }
    }

    private static float[] Flat(ITransformer model) => [.. Fitted.Scores(MLContext, model.Transform(_data)).SelectMany(row => row)];
}
