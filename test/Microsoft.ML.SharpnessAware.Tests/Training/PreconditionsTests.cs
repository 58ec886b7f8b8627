using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware.Tests.Reliability;
using TorchSharp;
using static TorchSharp.torch;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

/// <summary>What can be checked is checked before an image is read.</summary>
[TestClass]
public sealed class PreconditionsTests
{
    private readonly TemporaryFolder _folder = new();
    private readonly MLContext _mlContext = new(seed: 1);
    private readonly IDataView _data;
    private int _rowsRead;

    public PreconditionsTests()
    {
        ITransformer toKeys = _mlContext.Transforms.Conversion.MapValueToKey("Label")
            .Fit(_mlContext.Data.LoadFromEnumerable(Shapes.Pixels(3)));
        _data = toKeys.Transform(_mlContext.Data.LoadFromEnumerable(Shapes.Pixels(12).Select(Read)));
    }

    [TestCleanup]
    public void DeleteFolder() => _folder.Dispose();

    [TestMethod]
    [DataRow("a folder")]
    [DataRow("new folder/")]
    [DataRow("a file/run.ckpt")]
    public void ACheckpointThatCannotBeWrittenIsRefused(string name)
    {
        Prepare();
        string path = _folder.File(name);
        string message = Refused<IOException>(options => options.CheckpointPath = path);
        StringAssert.Contains(message, "CheckpointPath: '");
        StringAssert.Contains(message, Path.TrimEndingDirectorySeparator(path));
    }

    [TestMethod]
    public void AWorkspaceThatCannotBeWrittenIsRefused()
    {
        Prepare();
        string message = Refused<IOException>(options => options.WorkspacePath = _folder.File("a file"));
        StringAssert.Contains(message, "(WorkspacePath): ");
    }

    [TestMethod]
    public void AReadOnlyDiskIsRefused()
    {
        using SmallDisk disk = SmallDisk.Mount(kilobytes: 1024);
        disk.MakeReadOnly();
        StringAssert.Contains(Refused<IOException>(options => options.CheckpointPath = disk.Folder.File("run.ckpt")), "Read-only");
        StringAssert.Contains(Refused<IOException>(options => options.WorkspacePath = disk.Folder.File("pixels")), "Read-only");
    }

    /// <summary>The checkpoint before it has a longer name still.</summary>
    [TestMethod]
    [DataRow(256)]
    [DataRow(250)]
    public void ACheckpointWhoseNameIsTooLongIsRefused(int length)
    {
        string path = _folder.File(new string('c', length));
        StringAssert.Contains(Refused<IOException>(options => options.CheckpointPath = path), path);
        Assert.IsEmpty(_folder.FileNames());
    }

    [TestMethod]
    public void TryingLeavesNothingBehindButFolders()
    {
        string folder = _folder.File("one");
        AtomicFile.CheckWritable(Path.Combine(folder, "two", "run.ckpt"));
        Assert.IsEmpty(Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories));
        string path = Path.Combine(folder, "run.ckpt");
        File.WriteAllText(path, "as it was");
        AtomicFile.CheckWritable(path);
        Assert.AreEqual("as it was", File.ReadAllText(path));
    }

    /// <summary>The classic: the validation set has not come through the steps before the trainer.</summary>
    [TestMethod]
    public void AnErrorOfTheValidationSetsColumnsSaysWhoseTheyAre()
    {
        IDataView raw = _mlContext.Data.LoadFromEnumerable(Shapes.Pixels(12));
        string message = Refused<ArgumentOutOfRangeException>(options => options.ValidationSet = raw);
        StringAssert.StartsWith(message, "ValidationSet: Label column 'Label'");
        StringAssert.Contains(message, "through the steps before the trainer");
        IDataView larger = Fitted.View(
            _mlContext, Shapes.Pixels(12).Select(row => new LargerRow { Label = row.Label, Image = new byte[400] }));
        StringAssert.StartsWith(Refused<ArgumentOutOfRangeException>(options => options.ValidationSet = larger), "ValidationSet: ");
    }

    /// <summary>Of bytes and of floats: what normalises the one is nonsense for the other.</summary>
    [TestMethod]
    public void AValidationSetOfPixelsOfAnotherTypeIsRefused()
    {
        IDataView floats = Fitted.View(_mlContext, Shapes.Floats(12));
        StringAssert.Contains(Refused<InvalidOperationException>(options => options.ValidationSet = floats),
            "of the validation set holds float pixels, that of the training data bytes");
    }

    [TestMethod]
    public void AValidationSetWithoutTheColumnsOrWithOtherClassesIsRefused()
    {
        IDataView other = Fitted.View(_mlContext, Shapes.Pixels(12).Where(row => row.Label != "down"));
        StringAssert.Contains(Refused<InvalidOperationException>(options => options.ValidationSet = other), "2 keys");
        IDataView noImages = _mlContext.Transforms.DropColumns("Image").Fit(other).Transform(other);
        StringAssert.Contains(Refused<ArgumentOutOfRangeException>(options => options.ValidationSet = noImages), "'Image'");
        IDataView noLabels = _mlContext.Transforms.DropColumns("Label").Fit(other).Transform(other);
        StringAssert.Contains(Refused<ArgumentOutOfRangeException>(options => options.ValidationSet = noLabels), "'Label'");
    }

    /// <summary>Every picture would be read, and from weights go through the backbone.</summary>
    [TestMethod]
    public void ALabelOfOneValueIsRefusedWithItsName()
    {
        IDataView one = Fitted.View(_mlContext, Shapes.Pixels(12).Where(row => row.Label == "down").Select(Read));
        _rowsRead = 0;
        StringAssert.Contains(Refused<InvalidOperationException>(_ => { }, one),
            "Label column 'Label' has images of one class only, 'down'. A classifier needs at least two.");
        IDataView unnamed = _mlContext.Transforms.Conversion.MapKeyToValue("Label").Append(_mlContext.Transforms.CustomMapping(
            (TextLabel _, KeyLabel to) => to.Label = 1, contractName: null)).Fit(one).Transform(one);
        _rowsRead = 0;
        StringAssert.Contains(Refused<InvalidOperationException>(_ => { }, unnamed), "one class only, key 1. A classifier");
    }

    [TestMethod]
    [DataRow("resnt20")]
    [DataRow("resnet20:7")]
    public void ANetworkThatThereIsNotIsRefused(string name) =>
        StringAssert.Contains(Refused<ArgumentException>(options => options.Arch = name), $"There is no network '{name}'. Known names: ");

    /// <summary>Whether there are one or three channels is known of some columns only, and is of no importance here.</summary>
    [TestMethod]
    [DataRow(NetworkArchitecture.VitTiny, 300, null, "multiples of 16")]
    [DataRow(NetworkArchitecture.VitTiny, 300, 1, "multiples of 16")]
    [DataRow(NetworkArchitecture.MLNetResNet18, 28, null, "at least 32×32")]
    [DataRow(NetworkArchitecture.ConvNet, 3, 3, "at least 4×4")]
    public void ANetworkThatDoesNotTakeImagesOfTheSizeIsRefused(string network, int side, int? channels, string expected) =>
        StringAssert.Contains(Refused<ArgumentException>(options =>
        {
            (options.Arch, options.InitialWeights) = (network, PretrainedWeights.None);
            (options.ImageWidth, options.ImageHeight, options.ImageChannels) = (side, side, channels);
        }, Encoded()), expected);

    [TestMethod]
    public void ANormalisationOfOtherChannelsIsRefused()
    {
        Check(_data, 1);
        Check(Encoded(), 1);

        void Check(IDataView data, int channels) => StringAssert.Contains(Refused<InvalidOperationException>(options =>
            (options.ImageChannels, options.Normalization) = (channels, PixelNormalization.ImageNet), data), "The normalisation (Image");
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void WeightsThatDoNotFitAreRefused(bool isFrozen)
    {
        using DisposeScope scope = NewDisposeScope();
        string path = _folder.File("cut.safetensors");
        var shape = new ImageShape(1, Shapes.Size, Shapes.Size);
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(NetworkArchitecture.ResNet8, 3, shape);
        Dictionary<string, Tensor> weights = ModuleWeights.Of(network);
        Assert.IsTrue(weights.Remove("conv1.weight"));
        using (FileStream stream = File.Create(path))
            SafetensorsFile.Write(stream, weights, new Dictionary<string, string>());

        string message = Refused<InvalidDataException>(options =>
            (options.InitialWeights, options.FineTuning, options.FreezeBackbone) = (path, FineTuning.Full, isFrozen));
        StringAssert.Contains(message, "Missing: conv1.weight");
    }

    /// <summary>That it can be made is tried with numbers of its own.</summary>
    [TestMethod]
    public void TryingANetworkTouchesNobodysRandomNumbers()
    {
        random.manual_seed(77).Dispose();
        using Tensor expected = rand(3);
        random.manual_seed(77).Dispose();
        Fitted.Model(_mlContext, _data, options => options.Epoch = 1).Dispose();
        using Tensor actual = rand(3);
        Assert.IsTrue(expected.equal(actual).all().item<bool>());
    }

    [TestMethod]
    public void EarlyStoppingWithNothingToStopByIsRefused() => StringAssert.Contains(
        Refused<InvalidOperationException>(options => (options.EarlyStoppingCriteria, options.ValidationSetFraction) = (new(), 0)),
            "ValidationSet");

    [TestMethod]
    public void ACheckpointOfAnotherTrainingIsRefusedBeforeImagesGoThroughTheBackbone()
    {
        CountingNetwork.Register();
        Options options = Fitted.QuickOptions();
        (options.Arch, options.FreezeBackbone, options.CheckpointPath, options.Epoch) =
            (CountingNetwork.Name, true, _folder.File("run.ckpt"), 1);
        Trainer(options).Fit(_data).Dispose();
        options.BatchSize = 5;
        CountingNetwork.Images = 0;

        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Trainer(options).Fit(_data)).Message,
            "BatchSize was 16, now 5");

        Assert.AreEqual(1, CountingNetwork.Images, "the one that the fingerprint asks about");
    }

    [TestMethod]
    public void RandomLayersThatWouldLearnAtATenthAreRefused()
    {
        string message = Assert.ThrowsExactly<ArgumentException>(() =>
            Trainer(new Options { BackboneLearningRateFactor = 0.1, Arch = "resnet8" })).Message;
        StringAssert.Contains(message, "BackboneLearningRateFactor need InitialWeights");
    }

    private TRow Read<TRow>(TRow row)
    {
        _rowsRead++;
        return row;
    }

    private IDataView Encoded()
    {
        IDataView data = Fitted.View(_mlContext, Shapes.Encoded(12).Select(Read));
        _rowsRead = 0;
        return data;
    }

    private void Prepare()
    {
        Directory.CreateDirectory(_folder.File("a folder"));
        File.WriteAllText(_folder.File("a file"), "");
    }

    private string Refused<TException>(Action<Options> change, IDataView? data = null)
        where TException : Exception
    {
        Options options = Fitted.QuickOptions();
        change(options);
        string message = Assert.ThrowsExactly<TException>(() => Trainer(options).Fit(data ?? _data)).Message;
        Assert.AreEqual(0, _rowsRead, message);
        return message;
    }

    private SharpnessAwareImageClassificationTrainer Trainer(Options options) =>
        _mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options);

    private sealed class TextLabel
    {
        public string Label { get; set; } = "";
    }

    private sealed class KeyLabel
    {
        [KeyType(1)]
        public uint Label { get; set; }
    }

    private sealed class LargerRow
    {
        public string Label { get; set; } = "";

        [VectorType(1, 20, 20)]
        public byte[] Image { get; set; } = [];
    }
}
