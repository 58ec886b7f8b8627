using System.Collections.Concurrent;
using System.IO.Compression;
using Microsoft.ML.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>The output of a pretrained network as a column: <c>mlContext.Transforms.FeaturizeImages</c>.</summary>
[TestClass]
public sealed partial class FeaturizeImagesTests
{
    private const int ConvNetFeatures = 128;

    private static readonly MLContext MLContext = new(1);
    private static readonly TemporaryFolder Folder = new();
    private static SharpnessAwareImageClassificationTransformer _earlier = null!;
    private static string _weights = "";

    [ClassInitialize]
    public static void Train(TestContext _)
    {
        _earlier = Fitted.Model(MLContext, Fitted.View(MLContext, Shapes.Pixels(60)), options =>
            (options.Arch, options.Epoch) = (NetworkArchitecture.ConvNet, 1));
        _weights = Folder.File("convnet.safetensors");
        _earlier.SaveWeights(_weights);
    }

    [ClassCleanup]
    public static void Clean()
    {
        _earlier.Dispose();
        Folder.Dispose();
    }

    [TestMethod]
    public void AnImageBecomesAVectorOfTheNetworksFeaturesBesideWhatWasThere()
    {
        IDataView data = Fitted.View(MLContext, Shapes.Pixels(40));
        IEstimator<ITransformer> estimator = Small();
        ITransformer model = estimator.Fit(data);
        using var disposed = (IDisposable)model;

        DataViewSchema schema = model.Transform(data).Schema;

        Assert.HasCount(data.Schema.Count + 1, schema);
        DataViewSchema.Column features = schema["Features"];
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, ConvNetFeatures), features.Type);
        Assert.IsEmpty(features.Annotations.Schema);
        Assert.AreEqual(features.Type, model.GetOutputSchema(data.Schema)["Features"].Type);
        SchemaShape promised = estimator.GetOutputSchema(SchemaShape.Create(data.Schema));
        Assert.IsTrue(promised.TryFindColumn("Features", out SchemaShape.Column column));
        Assert.IsTrue(SchemaShape.Create(schema).TryFindColumn("Features", out SchemaShape.Column delivered));
        Assert.IsTrue(delivered.IsCompatibleWith(column));
        Assert.HasCount(schema.Count(c => !c.IsHidden), promised);
        CollectionAssert.AreEqual(data.GetColumn<int>("Number").ToArray(), model.Transform(data).GetColumn<int>("Number").ToArray());
    }

    [TestMethod]
    public void TheFeaturesAreThoseThatTheTrainersHeadIsGiven()
    {
        IDataView data = Fitted.View(MLContext, Shapes.Pixels(50, seed: 3));
        ITransformer model = Small().Fit(data);
        using var disposed = (IDisposable)model;

        AssertClose(KeptBy(_earlier, data), Features(model.Transform(data)));
    }

    [TestMethod]
    public void OfThePackagesWeightsTheyAreThoseOfTheFrozenNetworkToo()
    {
        IDataView data = Fitted.View(MLContext, Shapes.Encoded(24, seed: 2));
        using SharpnessAwareImageClassificationTransformer trained = Fitted.Model(MLContext, data, options =>
            (options.Arch, options.FineTuning, options.ImageWidth) = (NetworkArchitecture.Auto, FineTuning.HeadOnly, 64));
        ITransformer model = MLContext.Transforms.FeaturizeImages(imageWidth: 64).Fit(data);
        using var disposed = (IDisposable)model;

        float[][] features = Features(model.Transform(data));

        Assert.HasCount(512, features[0]);
        AssertClose(KeptBy(trained, data), features);
    }

    [TestMethod]
    public void ImagesAreResizedTo128ByDefaultAsTheTrainerDoes()
    {
        IDataView data = Fitted.View(MLContext, Shapes.Encoded(2));
        using ImageFeaturizingTransformer model = MLContext.Transforms.FeaturizeImages().Fit(data);
        Assert.AreEqual(new ImageShape(3, 128, 128), model.Classifier.Shape);
        Assert.AreEqual((NetworkArchitecture.MLNetResNet18, 512), (model.Architecture, model.FeatureCount));

        using var wide = (ImageFeaturizingTransformer)Small("Image", width: 30, height: 20).Fit(data);
        Assert.AreEqual(new ImageShape(1, 20, 30), wide.Classifier.Shape);
    }

    [TestMethod]
    public void FilesMLImagesAndPixelsOfOneImageHaveOneSetOfFeatures()
    {
        float[][] ofPixels = OfImages(Fitted.View(MLContext, Shapes.Pixels(9, seed: 4)));
        IDataView files = Fitted.View(MLContext, Shapes.Encoded(9, seed: 4));

        AssertClose(ofPixels, OfImages(files));
        AssertClose(ofPixels, OfImages(MLContext.Transforms.DecodeImages("Image").Fit(files).Transform(files)));

        static float[][] OfImages(IDataView data)
        {
            ITransformer model = Small("Image", width: data.Schema["Image"].Type is VectorDataViewType { IsKnownSize: true } ? null
                : Shapes.Size).Fit(data);
            using var disposed = (IDisposable)model;
            return Features(model.Transform(data));
        }
    }

    [TestMethod]
    public void RowByRowGivesWhatBatchesGiveAndAnEmptiedQueueEachRowItsOwn()
    {
        List<PixelRow> rows = Shapes.Pixels(100, seed: 5);
        IDataView data = MLContext.Data.LoadFromEnumerable(rows);
        ITransformer model = Small().Fit(data);
        using var disposed = (IDisposable)model;
        float[][] batched = Features(model.Transform(data));

        PredictionEngine<PixelRow, FeatureRow> engine = MLContext.Model.CreatePredictionEngine<PixelRow, FeatureRow>(model);
        AssertClose(batched, [.. rows.Select(row => engine.Predict(row).Features)]);

        var queue = new ConcurrentQueue<PixelRow>(rows);
        IDataView emptied = model.Transform(MLContext.Data.LoadFromEnumerable(Emptied()));
        FeatureRow[] read = [.. MLContext.Data.CreateEnumerable<FeatureRow>(emptied, reuseRowObject: false)];
        CollectionAssert.AreEqual(rows.Select(row => row.Number).ToArray(), read.Select(row => row.Number).ToArray());
        AssertClose(batched, [.. read.Select(row => row.Features)]);

        IEnumerable<PixelRow> Emptied()
        {
            while (queue.TryDequeue(out PixelRow? row))
                yield return row;
        }
    }

    [TestMethod]
    public void SeveralThreadsMayReadAtOnce()
    {
        IDataView data = Fitted.View(MLContext, Shapes.Pixels(60, seed: 6));
        ITransformer model = Small().Fit(data);
        using var disposed = (IDisposable)model;
        float[][] expected = Features(model.Transform(data));

        Parallel.For(0, 8, _ => AssertClose(expected, Features(model.Transform(data))));
    }

    [TestMethod]
    public void AModelFileHoldsTheWeights()
    {
        string weights = Folder.File("gone.safetensors");
        File.Copy(_weights, weights);
        IDataView data = Fitted.View(MLContext, Shapes.Encoded(20, seed: 7));
        ITransformer model = MLContext.Transforms.FeaturizeImages("Seen", weights: weights, imageWidth: Shapes.Size,
            resizing: ResizingKind.IsoPad).Fit(data);
        using var disposed = (IDisposable)model;
        File.Delete(weights);
        string path = Folder.File("featurizer.zip"), again = Folder.File("again.zip");
        MLContext.Model.Save(model, data.Schema, path);

        var other = new MLContext();
        ITransformer loaded = other.Model.Load(path, out _);
        using var disposedToo = (IDisposable)loaded;
        CollectionAssert.AreEqual(
            Features(model.Transform(data), "Seen").SelectMany(row => row).ToArray(),
            Features(loaded.Transform(data), "Seen").SelectMany(row => row).ToArray());
        other.Model.Save(loaded, data.Schema, again);
        CollectionAssert.AreEqual(Content(path), Content(again));

        static byte[] Content(string zip)
        {
            using ZipArchive archive = ZipFile.OpenRead(zip);
            using Stream stream = archive.Entries.Single(entry => entry.Name == "weights.safetensors").Open();
            using var memory = new MemoryStream();
            stream.CopyTo(memory);
            return memory.ToArray();
        }
    }

    [TestMethod]
    public void ADamagedModelFileIsRefused()
    {
        IDataView data = Fitted.View(MLContext, Shapes.Pixels(2));
        ITransformer model = Small().Fit(data);
        using var disposed = (IDisposable)model;
        string path = Folder.File("damaged.zip");
        MLContext.Model.Save(model, data.Schema, path);
        using (ZipArchive archive = ZipFile.Open(path, ZipArchiveMode.Update))
        {
            ZipArchiveEntry entry = archive.Entries.Single(each => each.Name == "weights.safetensors");
            using Stream stream = entry.Open();
            stream.Position = stream.Length - 5;
            stream.WriteByte(77);
        }

        Exception exception = Assert.Throws<Exception>(() => MLContext.Model.Load(path, out _)).GetBaseException();
        Assert.IsInstanceOfType<FormatException>(exception);
        StringAssert.Contains(exception.Message, "The checksum of the model file's weights is wrong");
    }

    [TestMethod]
    public void OtherTrainersLearnFromTheFeaturesEndToEnd()
    {
        IDataView training = MLContext.Data.LoadFromEnumerable(Shapes.Encoded(90, seed: 8)), test =
            MLContext.Data.LoadFromEnumerable(Shapes.Encoded(60, seed: 9));
        var pipeline = MLContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(MLContext.Transforms.FeaturizeImages("Features", "Image", imageWidth: 32))
            .Append(MLContext.Transforms.NormalizeMeanVariance("Features"))
            .AppendCacheCheckpoint(MLContext);
        AssertLearns(pipeline.Append(MLContext.MulticlassClassification.Trainers.LightGbm(numberOfIterations: 20,
            minimumExampleCountPerLeaf: 3)).Fit(training));
        AssertLearns(pipeline.Append(MLContext.MulticlassClassification.Trainers.SdcaMaximumEntropy(maximumNumberOfIterations: 20))
            .Fit(training));

        void AssertLearns(ITransformer model)
        {
            using var disposed = (IDisposable)model;
            Assert.IsGreaterThan(0.8, MLContext.MulticlassClassification.Evaluate(model.Transform(test)).MicroAccuracy);
        }
    }

    [TestMethod]
    public void TwoInAPipelineKeepTheirOwnColumnsAndSizesInTheModelFileToo()
    {
        IDataView data = Fitted.View(MLContext, Shapes.Encoded(6, seed: 10));
        IEstimator<ITransformer> Seen(string column, ResizingKind resizing) => MLContext.Transforms.FeaturizeImages(column,
            weights: _weights, imageWidth: 20, imageHeight: 12, resizing: resizing);
        ITransformer both = Seen("A", ResizingKind.Fill).Append(Seen("B", ResizingKind.IsoPad)).Fit(data),
            one = Seen("B", ResizingKind.IsoPad).Fit(data);
        using var disposed = (IDisposable)both;
        using var disposedToo = (IDisposable)one;
        string path = Folder.File("both.zip");
        MLContext.Model.Save(both, data.Schema, path);
        ITransformer loaded = MLContext.Model.Load(path, out _);
        using var disposedLast = (IDisposable)loaded;

        foreach (IDataView view in new[] { both.Transform(data), loaded.Transform(data) })
        {
            AssertClose(Features(one.Transform(data), "B"), Features(view, "B"));
            Assert.IsFalse(Features(view, "A")[0].SequenceEqual(Features(view, "B")[0]));
        }
    }

    [TestMethod]
    public void NoRowsGiveNoFeaturesAndFoldsEachTheirOwn()
    {
        using var none = (ImageFeaturizingTransformer)Small(width: Shapes.Size).Fit(Fitted.View(MLContext, new List<EncodedRow>()));
        Assert.IsEmpty(Features(none.Transform(Fitted.View(MLContext, new List<EncodedRow>()))));

        var folds = MLContext.MulticlassClassification.CrossValidate(Fitted.View(MLContext, Shapes.Encoded(60, seed: 11)),
            Small(width: Shapes.Size).AppendCacheCheckpoint(MLContext)
                .Append(MLContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy()), 3);
        foreach (var fold in folds)
        {
            using var model = (IDisposable)fold.Model;
            Assert.IsTrue(fold.Metrics.LogLoss < Math.Log(3), $"{fold.Metrics.LogLoss}");
        }
    }

    [TestMethod]
    public void BitmapsThatWereMadeGreyAreColourToColourWeights()
    {
        IDataView files = Fitted.View(MLContext, Shapes.Encoded(4, seed: 12));
        ITransformer grey = MLContext.Transforms.DecodeImages("Image").Append(MLContext.Transforms.ConvertToGrayscale("Image")).Fit(files);
        ITransformer model = MLContext.Transforms.FeaturizeImages(imageWidth: 32).Fit(grey.Transform(files));
        using var disposed = (IDisposable)model;
        // The files are grey in colour already.
        AssertClose(Features(model.Transform(files)), Features(model.Transform(grey.Transform(files))));
    }

    /// <summary>ML.NET's cache reads ahead on a thread of its own, and wraps what it meets there.</summary>
    [TestMethod]
    public void BehindACacheTheErrorOfAnImageIsTheInnerOne()
    {
        List<EncodedRow> rows = Shapes.Encoded(9);
        rows[6].Image = [];
        Exception exception = Assert.Throws<Exception>(() => Small(width: Shapes.Size).AppendCacheCheckpoint(MLContext)
            .Append(MLContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy()).Fit(Fitted.View(MLContext, rows)));
        StringAssert.Contains(exception.InnerException!.Message, "row 6 (counting from 0)");
        StringAssert.Contains(exception.InnerException.Message, rows[6].ImagePath);
    }

    [TestMethod]
    public void WithoutWeightsThePackageIsNamed()
    {
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(() =>
                ImageFeaturizingEstimator.FindWeights(NetworkArchitecture.MLNetResNet18, PretrainedWeights.Auto, Folder.Path)).Message,
            "dotnet add package Microsoft.ML.DnnImageFeaturizer.ResNet18");
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(() => MLContext.Transforms.FeaturizeImages(arch: NetworkArchitecture.ResNet50))
                .Message,
            "No package brings weights of 'resnet50'");
        Assert.ThrowsExactly<ArgumentException>(() => MLContext.Transforms.FeaturizeImages(weights: PretrainedWeights.None));
        StringAssert.Contains(
            Assert.ThrowsExactly<FileNotFoundException>(() => MLContext.Transforms.FeaturizeImages(weights: "nowhere.onnx")).Message,
            "weights is 'nowhere.onnx', and there is no such file.");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => MLContext.Transforms.FeaturizeImages(imageWidth: 0));
        ArgumentException device = Assert.ThrowsExactly<ArgumentException>(() => MLContext.Transforms.FeaturizeImages(device: "gpu"));
        Assert.AreEqual("device", device.ParamName);
        StringAssert.Contains(device.Message, "device is 'gpu'; it must be 'cpu', 'cuda' or 'cuda:N'");
    }

    [TestMethod]
    public void TheDeviceThatIsAskedForGoesBeforeTheContexts()
    {
        var elsewhere = new MLContext(1) { GpuDeviceId = 99, FallbackToCpu = false };
        IDataView data = Fitted.View(elsewhere, Shapes.Pixels(2));
        string message = Assert.ThrowsExactly<InvalidOperationException>(
            () => elsewhere.Transforms.FeaturizeImages(weights: _weights).Fit(data)).Message;
        StringAssert.Contains(message, "MLContext.GpuDeviceId is 99");
        using ImageFeaturizingTransformer model = elsewhere.Transforms.FeaturizeImages(weights: _weights, device: "cpu").Fit(data);
        Assert.AreEqual(DeviceType.CPU, model.Classifier.Device.type);
    }

    [TestMethod]
    public void AColumnThatIsMissingOrHoldsNoImagesIsNamed()
    {
        IDataView data = Fitted.View(MLContext, Shapes.Encoded(3));
        foreach ((string column, string words) in new[] { ("Picture", "Could not find image column 'Picture'. The data has: "),
            ("ImagePath", "LoadRawImageBytes") })
        {
            IEstimator<ITransformer> estimator = Small(column);
            foreach (Action action in new Action[] { () => estimator.Fit(data), () =>
                estimator.GetOutputSchema(SchemaShape.Create(data.Schema)) })
                StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(action).Message, words);
        }

        ITransformer model = Small("Image", width: Shapes.Size).Fit(data);
        using var disposed = (IDisposable)model;
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            model.Transform(MLContext.Transforms.DropColumns("Image").Fit(data).Transform(data)));
    }

    [TestMethod]
    public void FloatPixelsAndFilesThatTellNoNormalisationAreRefused()
    {
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(() => Small().Fit(Fitted.View(MLContext, Shapes.Floats(3)))).Message,
            "Column 'Image' holds float pixels");

        using DisposeScope scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(NetworkArchitecture.ConvNet, 3, new(1, 12, 12));
        string path = Folder.File("silent.safetensors");
        using (FileStream file = File.Create(path))
            SafetensorsFile.Write(file, network.state_dict());
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(() =>
                MLContext.Transforms.FeaturizeImages(weights: path).Fit(Fitted.View(MLContext, Shapes.Pixels(3)))).Message,
            "does not tell how the pixels were normalised");

        InvalidDataException wrong = Assert.ThrowsExactly<InvalidDataException>(() =>
            MLContext.Transforms.FeaturizeImages(arch: NetworkArchitecture.ResNet8, weights: _weights)
                .Fit(Fitted.View(MLContext, Shapes.Pixels(3))));
        StringAssert.StartsWith(wrong.Message, "weights '");
        StringAssert.Contains(wrong.Message, "This looks like 'convnet': set Arch to it.");
    }

    /// <summary>Neither channels nor a normalisation can be given.</summary>
    [TestMethod]
    public void WhatIsSaidNamesNoOptionOfTheTrainer()
    {
        List<string> log = [];
        var mlContext = new MLContext(1);
        mlContext.Log += (_, e) => log.Add(e.Message);
        string published = Folder.File("published.safetensors"), standardised = Folder.File("standardised.safetensors");
        using DisposeScope scope = NewDisposeScope();
        using (FileStream file = File.Create(published))
            SafetensorsFile.Write(file, NetworkArchitecture.Create(NetworkArchitecture.ResNet18, 10, new(3, 224, 224)).state_dict());
        using (var features = (IDisposable)mlContext.Transforms.FeaturizeImages(weights: published)
            .Fit(Fitted.View(mlContext, Shapes.Encoded(3))))
        {
            StringAssert.EndsWith(log.Single(line => line.Contains("assumed", StringComparison.Ordinal)), "which is assumed.");
        }

        var shape = new ImageShape(1, Shapes.Size, Shapes.Size);
        using var ofFloats = new ImageClassifier(NetworkArchitecture.ConvNet,
            NetworkArchitecture.Create(NetworkArchitecture.ConvNet, 2, shape), CPU, shape, ScalarType.Float32,
            new Normalization(new PixelStatistics([0.1], [1], ScalarType.Float32), CPU), 2);
        WeightsFile.Save(standardised, ofFloats, temperature: 1, ["a", "b"]);
        string message = Assert.ThrowsExactly<InvalidOperationException>(() =>
            mlContext.Transforms.FeaturizeImages(weights: standardised).Fit(Fitted.View(mlContext, Shapes.Pixels(3)))).Message;
        StringAssert.EndsWith(message, "give float pixels in the units of those.");
        string wrongSize = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() =>
            mlContext.Transforms.FeaturizeImages(weights: _weights, imageWidth: 5, imageHeight: 5)
                .Fit(TestRows.Pixels([26], TestRows.Dense(new byte[26])))).Message;
        StringAssert.Contains(wrongSize, "the vector has 26 values, but 1 channels × 5 rows × 5 columns are 25");
        Assert.DoesNotContain("ImageChannels", wrongSize);
    }

    [TestMethod]
    public void AnImageThatCannotBeReadIsNamedAndAModelThatWasDisposedSaysSo()
    {
        List<EncodedRow> rows = Shapes.Encoded(5);
        rows[3].Image = [1, 2, 3];
        IDataView data = Fitted.View(MLContext, rows);
        ITransformer model = Small("Image", width: Shapes.Size).Fit(data);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => Features(model.Transform(data))).Message,
            rows[3].ImagePath);

        ((IDisposable)model).Dispose();
        ((IDisposable)model).Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.Transform(data));
    }

    private static IEstimator<ITransformer> Small(string column = "Image", int? width = null, int? height = null) =>
        MLContext.Transforms.FeaturizeImages("Features", column, weights: _weights, imageWidth: width, imageHeight: height);

    private static float[][] Features(IDataView view, string column = "Features") => [.. view.GetColumn<float[]>(column)];

    private static float[][] KeptBy(SharpnessAwareImageClassificationTransformer model, IDataView data)
    {
        using DisposeScope scope = NewDisposeScope();
        using ImageDataset images = ImageDataset.Load(data, "Image", "Label", new(model.Classifier.Shape, model.Classifier.Resizing));
        using var backbone = new Backbone(model.Classifier);
        using ImageDataset kept = BackboneFeatures.Of(backbone, images, model.Classifier.BatchSize, () => { });
        float[] values = kept.Batch(0, kept.Count).flatten().data<float>().ToArray();
        return [.. values.Chunk(values.Length / (int)kept.Count)];
    }

    private static void AssertClose(float[][] expected, float[][] actual)
    {
        Assert.HasCount(expected.Length, actual);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.HasCount(expected[i].Length, actual[i]);
            for (int j = 0; j < expected[i].Length; j++)
                Assert.AreEqual(expected[i][j], actual[i][j], 1e-4f * Math.Max(1, Math.Abs(expected[i][j])));
        }
    }

    private sealed class FeatureRow
    {
        public float[] Features { get; set; } = [];

        public int Number { get; set; }
    }
}
