using System.IO.Compression;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class InitialWeightsTests
{
    private static readonly MLContext MLContext = new(1);
    private static readonly TemporaryFolder Folder = new();
    private static SharpnessAwareImageClassificationTransformer _earlier = null!;
    private static IDataView _data = null!;
    private static string _safetensors = "", _zip = "";

    [ClassInitialize]
    public static void Train(TestContext _)
    {
        _data = Fitted.View(MLContext, Shapes.Pixels(60));
        _earlier = Fitted.Model(MLContext, _data, options => options.Arch = NetworkArchitecture.ConvNet);
        _safetensors = Folder.File("earlier.safetensors");
        _earlier.SaveWeights(_safetensors);
        _zip = Folder.File("earlier.zip");
        MLContext.Model.Save(_earlier, _data.Schema, _zip);
    }

    [ClassCleanup]
    public static void Clean()
    {
        _earlier.Dispose();
        Folder.Dispose();
    }

    [TestMethod]
    [DataRow("safetensors")]
    [DataRow("zip")]
    public void TrainingStartsFromTheFilesWeightsAndStatistics(string kind)
    {
        // Other images: brighter, so that their own statistics would be others.
        IDataView data = Fitted.View(MLContext, Shapes.Pixels(40).Select(Brighter));
        using var model = Model(data, kind == "zip" ? _zip : _safetensors);
        AssertSame(Weights(_earlier), Weights(model));
        CollectionAssert.AreEqual(_earlier.Classifier.Normalization.Statistics.Mean.ToArray(),
            model.Classifier.Normalization.Statistics.Mean.ToArray());
        CollectionAssert.AreEqual(
            _earlier.Classifier.Normalization.Statistics.StandardDeviation.ToArray(),
                model.Classifier.Normalization.Statistics.StandardDeviation.ToArray());

        using var random = Model(data, path: null);
        Assert.AreNotEqual(_earlier.Classifier.Normalization.Statistics.Mean[0], random.Classifier.Normalization.Statistics.Mean[0]);
    }

    /// <summary>ML.NET on Windows separates folders in its archive by a backslash, and the archive says that it is from there.</summary>
    [TestMethod]
    public void AModelThatWasSavedOnWindowsIsRead()
    {
        string path = Folder.File("windows.zip");
        using (ZipArchive from = ZipFile.OpenRead(_zip))
        using (ZipArchive to = ZipFile.Open(path, ZipArchiveMode.Create))
        {
            foreach (ZipArchiveEntry entry in from.Entries)
            {
                using Stream source = entry.Open(), target = to.CreateEntry(entry.FullName.Replace('/', '\\')).Open();
                source.CopyTo(target);
            }
        }

        byte[] bytes = File.ReadAllBytes(path);
        for (int i = 0; i < bytes.Length - 6; i++)
        {
            if (bytes.AsSpan(i, 4).SequenceEqual("PK\x01\x02"u8))
                bytes[i + 5] = 0;       // made by: DOS
        }

        File.WriteAllBytes(path, bytes);
        using var model = Model(_data, path);
        AssertSame(Weights(_earlier), Weights(model));
    }

    /// <summary>The default augmentation changes colours, of which these numbers say nothing; one's own is refused.</summary>
    [TestMethod]
    public void FloatsOfAnyScaleAreFineTunedByDefault()
    {
        IDataView data = Fitted.View(MLContext, Shapes.Floats(40).Select(row =>
            new FloatRow { Label = row.Label, Image = [.. row.Image.Select(value => value - 0.5f)] }));
        string path = Folder.File("floats.zip");
        using (SharpnessAwareImageClassificationTransformer earlier = Fitted.Model(MLContext, data, options =>
            (options.Arch, options.Epoch) = (NetworkArchitecture.ConvNet, 1)))
            MLContext.Model.Save(earlier, data.Schema, path);

        Train(_ => { });
        Assert.Contains("changes colours", Assert.ThrowsExactly<InvalidOperationException>(
            () => Train(options => options.Augmentation = Augmentation.Light)).Message);

        void Train(Action<SharpnessAwareImageClassificationTrainer.Options> change)
        {
            var options = new SharpnessAwareImageClassificationTrainer.Options
            {
                FeatureColumnName = "Image", InitialWeights = path, FineTuning = FineTuning.Gentle, Epoch = 1, Device = "cpu",
            };
            change(options);
            MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(data).Dispose();
        }
    }

    /// <summary>Pictures, which have no size of their own, are taken at that of the weights.</summary>
    [TestMethod]
    [DataRow("safetensors")]
    [DataRow("zip")]
    public void PicturesAreTakenAtTheSizeThatTheWeightsWereTrainedAt(string kind)
    {
        using var model = Model(Fitted.View(MLContext, Shapes.Encoded(30)), kind == "zip" ? _zip : _safetensors);
        Assert.AreEqual(_earlier.Classifier.Shape, model.Classifier.Shape);
    }

    [TestMethod]
    [DataRow(FineTuning.HeadOnly)]
    [DataRow(FineTuning.Auto)]
    [DataRow(FineTuning.Gentle)]
    public void AHeadWithoutABiasIsRefusedWithWhatToDo(FineTuning kind)
    {
        const string Name = "initial-weights-tests-no-bias";
        NetworkArchitecture.Register(Name, classes => nn.Sequential(
            ("flatten", nn.Flatten()), ("fc", nn.Linear(Shapes.Size * Shapes.Size, classes, hasBias: false))));
        string path = Folder.File("no bias.safetensors");
        using (SharpnessAwareImageClassificationTransformer earlier = Fitted.Model(MLContext, _data, options => options.Arch = Name))
            earlier.SaveWeights(path);

        string message = Assert.ThrowsExactly<InvalidOperationException>(() => Train(kind)).Message;
        StringAssert.Contains(message, "Layer 'fc' of network 'initial-weights-tests-no-bias', its head, has no bias");
        StringAssert.Contains(message, "set FineTuning to Full");
        Train(FineTuning.Full);

        void Train(FineTuning fineTuning) => Fitted.Model(MLContext, _data, options =>
            (options.Arch, options.InitialWeights, options.FineTuning, options.Epoch) = (Name, path, fineTuning, 1)).Dispose();
    }

    [TestMethod]
    public void FullHasDefaultsOfItsOwnWhereThereAreWeights()
    {
        using var full = Trained(options => { });
        Assert.HasCount(10, full.History);
        Assert.AreEqual(0.02, full.History.Max(epoch => epoch.LearningRate), 1e-9);
        using var given = Trained(options => (options.Epoch, options.BaseOptimizer) = (2, new BaseOptimizer.Sgd(0.03)));
        Assert.HasCount(2, given.History);
        Assert.AreEqual(0.03, given.History.Max(epoch => epoch.LearningRate), 1e-9);
        using var random = Trained(options => options.InitialWeights = null);
        Assert.HasCount(30, random.History);

        SharpnessAwareImageClassificationTransformer Trained(Action<SharpnessAwareImageClassificationTrainer.Options> change)
        {
            SharpnessAwareImageClassificationTrainer.Options options = new()
            {
                FeatureColumnName = "Image", Arch = NetworkArchitecture.ConvNet, InitialWeights = _safetensors,
                FineTuning = FineTuning.Full, Schedule = new LearningRateSchedule.Constant(), Device = "cpu",
            };
            change(options);
            return MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(_data);
        }
    }

    [TestMethod]
    public void TheClassifierIsFoundAnywhereInAPipeline()
    {
        IDataView text = MLContext.Data.LoadFromEnumerable(Shapes.Pixels(30));
        ITransformer pipeline = MLContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(MLContext.Transforms.CopyColumns("Pixels", "Image"))
            .Append(MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(QuickOptions(path: null)))
            .Append(MLContext.Transforms.Conversion.MapKeyToValue("PredictedLabel"))
            .Fit(text);
        string path = Folder.File("pipeline.zip");
        MLContext.Model.Save(pipeline, text.Schema, path);
        using var inner = ((IEnumerable<ITransformer>)pipeline).OfType<SharpnessAwareImageClassificationTransformer>().Single();

        using var model = Model(_data, path);
        AssertSame(Weights(inner), Weights(model));
    }

    [TestMethod]
    [DataRow("safetensors")]
    [DataRow("zip")]
    public void AnotherNumberOfClassesTakesEverythingButTheHeadAndSaysSo(string kind)
    {
        var messages = new List<string>();
        var mlContext = new MLContext(1);
        mlContext.Log += (_, e) => messages.Add(e.Message);
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(40).Where(row => row.Label != "down"));
        using var model = Fitted.Model(mlContext, data, options => Set(options, kind == "zip" ? _zip : _safetensors));
        Dictionary<string, float[]> earlier = Weights(_earlier), now = Weights(model);
        AssertSame(earlier, now, except: "fc.");
        Assert.HasCount(2, now["fc.bias"]);
        Assert.IsTrue(messages.Any(message => message.Contains("'fc' has 3 classes and the data 2", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void StatisticsInOtherUnitsAreConverted()
    {
        using var model = Model(Fitted.View(MLContext, Shapes.Floats(40).Select(row =>
            new FloatRow { Label = row.Label, Image = [.. row.Image.Select(value => value / 2)] })), _zip);
        PixelStatistics earlier = _earlier.Classifier.Normalization.Statistics, now = model.Classifier.Normalization.Statistics;
        Assert.AreEqual(earlier.Mean[0] / 255, now.Mean[0], 1e-9);
        Assert.AreEqual(earlier.StandardDeviation[0] / 255, now.StandardDeviation[0], 1e-9);
        AssertSame(Weights(_earlier), Weights(model));
    }

    [TestMethod]
    public void AFrozenBackboneOnTheSameImagesNeverForgets()
    {
        using var model = Fitted.Model(MLContext, _data, options =>
        {
            Set(options, _safetensors);
            (options.FreezeBackbone, options.LearningRate, options.Epoch) = (true, 0.01, 2);
        });
        AssertSame(Weights(_earlier), Weights(model), except: "fc.");
        Assert.IsLessThan(_earlier.History[0].TrainLoss, model.History[0].TrainLoss);
    }

    [TestMethod]
    public void ReadingAModelTouchesNobodysRandomNumbers()
    {
        IDataView data = Fitted.View(MLContext, Shapes.Pixels(40).Where(row => row.Label != "down"));
        using var fromSafetensors = Model(data, _safetensors);
        random.manual_seed(77);
        using var expected = rand(3);
        random.manual_seed(77);
        using var fromZip = Model(data, _zip);
        using var actual = rand(3);
        AssertSame(Weights(fromSafetensors), Weights(fromZip));
        CollectionAssert.AreEqual(expected.data<float>().ToArray(), actual.data<float>().ToArray());
    }

    /// <summary>Weights that are only copied have no business on a GPU.</summary>
    [TestMethod]
    public void AModelIsReadWithoutTheGpuThatTheContextNames()
    {
        var elsewhere = new MLContext(1) { GpuDeviceId = 99, FallbackToCpu = false };
        using InitialWeights file = InitialWeights.Read(elsewhere, _zip, NetworkArchitecture.ConvNet)!;
        Assert.AreEqual(NetworkArchitecture.ConvNet, file.Architecture);
    }

    [TestMethod]
    public void ThePackagesOnnxFileGivesWeightsAndNormalisation()
    {
        IDataView data = Fitted.View(MLContext, Shapes.Encoded(20, seed: 3));
        using var model = Fitted.Model(MLContext, data, options =>
        {
            (options.Arch, options.InitialWeights, options.FreezeBackbone, options.Epoch) =
                (NetworkArchitecture.MLNetResNet18, PretrainedWeights.Find(NetworkArchitecture.MLNetResNet18), true, 1);
            (options.ImageWidth, options.ImageHeight, options.ImageChannels) = (32, 32, 3);
        });
        CollectionAssert.AreEqual(OnnxResNet.Mean.ToArray(), model.Classifier.Normalization.Statistics.Mean.ToArray());
        CollectionAssert.AreEqual(new double[] { 1, 1, 1 }, model.Classifier.Normalization.Statistics.StandardDeviation.ToArray());
        OnnxGraph graph = OnnxGraph.Read(File.ReadAllBytes(OnnxFile.ResNet18));
        using Tensor last = graph.Constants["Parameter10"].ToTensor(512, 512, 3, 3);
        CollectionAssert.AreEqual(last.data<float>().ToArray(), Weights(model)["layer4.2.conv2.weight"]);
    }

    [TestMethod]
    public void AnOnnxFileForAnotherNetworkSaysWhichOneItFits()
    {
        InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(() => Model(_data, OnnxFile.ResNet18));
        StringAssert.Contains(exception.Message, "set Arch to NetworkArchitecture.MLNetResNet18");
    }

    [TestMethod]
    public void AModelOfAnotherNetworkIsRefused()
    {
        InvalidDataException exception = Refused(_zip, options => options.Arch = NetworkArchitecture.ResNet8);
        StringAssert.Contains(exception.Message, $"InitialWeights '{_zip}' cannot be used.");
        StringAssert.Contains(exception.Message, "The model's network is 'convnet', and Arch is 'resnet8'");
        exception = Refused(_safetensors, options => options.Arch = NetworkArchitecture.ResNet8);
        StringAssert.Contains(exception.Message, _safetensors);
        StringAssert.Contains(exception.Message, "Missing: layer1.0.conv1.weight");
    }

    [TestMethod]
    public void OtherFilesAreRefusedAndSayWhatTheyAre()
    {
        Assert.Contains("PyTorch file", Refused(Zip("weights.pth", ("archive/data.pkl", [1, 2]))).Message);
        Assert.Contains("without an image classifier", Refused(Zip("other.zip", ("TransformerChain/Model.key", [1, 2]))).Message);
        Assert.Contains("has 2 image classifiers",
            Refused(Zip("two.zip", ("a/weights.safetensors", [1]), ("b/weights.safetensors", [1]))).Message);
        Assert.Contains("no Model.key", Refused(Zip("bare.zip", ("a/weights.safetensors", [1]))).Message);
        Assert.Contains("It is text", Refused(Written("text.safetensors", "a text of some length"u8.ToArray())).Message);
        Assert.Contains("cannot be used", Refused(Written("empty.safetensors", [])).Message);
        byte[] model = File.ReadAllBytes(_zip);
        foreach (int length in new[] { 2000, model.Length - 1 })
            Assert.Contains("it was cut short", Refused(Written("short.zip", model[..length])).Message);
        Assert.Contains("tools/DnnImageModels/ResNet18Onnx/ResNet18.onnx",
            Refused(Zip("package.nupkg", ("Some.Package.nuspec", [1, 2]), ("tools/x.onnx", [1]))).Message);

        string missing = Folder.File("nothing.safetensors");
        FileNotFoundException exception = Assert.ThrowsExactly<FileNotFoundException>(() => Model(_data, missing));
        StringAssert.Contains(exception.Message, missing);
    }

    [TestMethod]
    public void AModelFileWithDamagedEntriesIsRefused()
    {
        foreach ((string name, string message) in new[] { ("weights.safetensors", "checksum of the model file's weights"),
            ("Model.key", "cannot be used") })
        {
            string path = Folder.File($"damaged-{name}.zip");
            File.Copy(_zip, path, overwrite: true);
            using (ZipArchive zip = ZipFile.Open(path, ZipArchiveMode.Update))
            {
                ZipArchiveEntry weights = zip.Entries.Single(entry => entry.Name == "weights.safetensors");
                string folder = weights.FullName[..^"weights.safetensors".Length];
                using Stream content = zip.GetEntry(folder + name)!.Open();
                byte[] bytes = new byte[content.Length];
                content.ReadExactly(bytes);
                bytes[^1] ^= 1;
                content.Position = 0;
                content.Write(bytes);
            }
            Assert.Contains(message, Refused(path).Message);
        }
    }

    [TestMethod]
    public void AnEntryThatClaimsMoreThanDeflateCanGiveIsRefused()
    {
        string path = Zip("bomb.zip", ("a/Model.key", [1]), ("a/weights.safetensors", new byte[5000]));
        byte[] file = File.ReadAllBytes(path);
        // The uncompressed length of the second entry in the central directory, 22 bytes before its name.
        int record = file.AsSpan().LastIndexOf("a/weights.safetensors"u8);
        BitConverter.TryWriteBytes(file.AsSpan(record - 22), 2_000_000_000);
        File.WriteAllBytes(path, file);
        Assert.Contains("claims 2000000000 bytes", Refused(path).Message);
    }

    [TestMethod]
    [DataRow("pixel_type", "int4")]
    [DataRow("pixel_mean", "a")]
    [DataRow("pixel_mean", "1,2")]
    [DataRow("pixel_std", "0")]
    [DataRow("pixel_std", "NaN")]
    public void DamagedStatisticsAreRefused(string key, string value)
    {
        using DisposeScope scope = NewDisposeScope();
        var metadata = new Dictionary<string, string> { ["pixel_type"] = "uint8", ["pixel_mean"] = "120.5", ["pixel_std"] = "60" };
        Assert.AreEqual(120.5, WeightsFile.ReadStatistics(metadata)!.Mean[0]);
        metadata[key] = value;
        string path = Folder.File("statistics.safetensors");
        using (FileStream stream = File.Create(path))
            SafetensorsFile.Write(stream, _earlier.Classifier.Network.state_dict(), metadata);
        Assert.Contains("metadata is damaged", Refused(path).Message);
        metadata.Remove(key);
        Assert.IsNull(WeightsFile.ReadStatistics(metadata));
    }

    private static PixelRow Brighter(PixelRow row) =>
        new() { Label = row.Label, Image = Array.ConvertAll(row.Image, pixel => (byte)Math.Min(255, pixel + 50)) };

    /// <summary>A model of one epoch that learns nothing, so that it has the weights that it started from.</summary>
    private static SharpnessAwareImageClassificationTransformer Model(IDataView data, string? path) =>
        Fitted.Model(MLContext, data, options => Set(options, path));

    private static SharpnessAwareImageClassificationTrainer.Options QuickOptions(string? path)
    {
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        Set(options, path);
        return options;
    }

    private static void Set(SharpnessAwareImageClassificationTrainer.Options options, string? path)
    {
        options.Arch = NetworkArchitecture.ConvNet;
        options.InitialWeights = path;
        options.Epoch = 1;
        options.BaseOptimizer = new BaseOptimizer.Sgd(0);
        options.ValidationSetFraction = null;
        options.FineTuning = FineTuning.Full;
    }

    private static InvalidDataException Refused(string path, Action<SharpnessAwareImageClassificationTrainer.Options>? change = null) =>
        Assert.ThrowsExactly<InvalidDataException>(() => Fitted.Model(MLContext, _data, options =>
        {
            Set(options, path);
            change?.Invoke(options);
        }));

    private static string Written(string name, byte[] content)
    {
        string path = Folder.File(name);
        File.WriteAllBytes(path, content);
        return path;
    }

    private static string Zip(string name, params (string Name, byte[] Content)[] entries)
    {
        string path = Folder.File(name);
        using ZipArchive zip = ZipFile.Open(path, ZipArchiveMode.Create);
        foreach ((string entry, byte[] content) in entries)
        {
            using Stream stream = zip.CreateEntry(entry).Open();
            stream.Write(content);
        }
        return path;
    }

    /// <summary>Parameters; running statistics go on changing in an epoch that learns nothing.</summary>
    private static Dictionary<string, float[]> Weights(SharpnessAwareImageClassificationTransformer model)
    {
        using DisposeScope scope = NewDisposeScope();
        return model.Classifier.Network.named_parameters().ToDictionary(
            entry => entry.name, entry => entry.parameter.detach().contiguous().reshape(-1).data<float>().ToArray());
    }

    private static void AssertSame(Dictionary<string, float[]> expected, Dictionary<string, float[]> actual, string except = "-")
    {
        foreach ((string name, float[] values) in expected.Where(entry => !entry.Key.StartsWith(except, StringComparison.Ordinal)))
            CollectionAssert.AreEqual(values, actual[name], name);
    }
}
