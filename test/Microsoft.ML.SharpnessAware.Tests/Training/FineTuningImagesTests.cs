using Microsoft.ML.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

/// <summary>Pictures that go through the backbone as they are read.</summary>
[TestClass]
[DoNotParallelize]
public sealed class FineTuningImagesTests
{
    private static readonly TemporaryFolder Folder = new();
    private static readonly MLContext MLContext = new(3);
    private static string _weights = "";

    [ClassInitialize]
    public static void SaveWeights(TestContext context)
    {
        _weights = Folder.File("counting.safetensors");
        CountingNetwork.SaveWeights(_weights);
    }

    [ClassCleanup]
    public static void Clean() => Folder.Dispose();

    [TestMethod]
    [DataRow(1)]
    [DataRow(32)]
    [DataRow(33)]
    [DataRow(150)]
    public void FeaturesAndPixelsAreBitForBitThoseOfImagesThatWereReadFirst(int count)
    {
        using DisposeScope scope = NewDisposeScope();
        using ImageClassifier classifier = Classifier(out ImageShape shape);
        using var backbone = new Backbone(classifier);
        using ImageDataset read = ImageDataset.Load(Encoded(count), "Image", "Label", new(shape, default));
        using ImageDataset expected = BackboneFeatures.Of(backbone, read, classifier.BatchSize, () => { });

        FeatureSink? sink = null;
        using ImageDataset features = ImageDataset.Load(Encoded(count), "Image", "Label", new(shape, default),
            sink: rows => sink = new FeatureSink(backbone, shape, classifier.BatchSize, rows, _ => true));
        using ImageDataset pixels = features.WithPixels(sink!.Pixels!);

        Assert.AreEqual(expected.ContentHash(), features.ContentHash());
        Assert.AreEqual(expected.Shape, features.Shape);
        Assert.AreEqual(read.ContentHash(), pixels.ContentHash());
    }

    [TestMethod]
    public void PixelsAreLetGoOfAsSoonAsTheyAreTooMany()
    {
        using DisposeScope scope = NewDisposeScope();
        using ImageClassifier classifier = Classifier(out ImageShape shape);
        using var backbone = new Backbone(classifier);
        byte[] picture = new byte[shape.ValueCount];
        foreach ((long? expected, long most, bool kept) in
            new (long?, long, bool)[] { (null, 40, true), (40, 40, true), (null, 39, false), (40, 39, false), (null, 0, false) })
        {
            long asked = 0;
            using var sink = new FeatureSink(backbone, shape, batchSize: 8, expected, count =>
            {
                asked++;
                return count <= most;
            });
            for (int i = 0; i < 40; i++)
                sink.Add(picture, shape);
            using ImagePixels features = sink.Complete();
            using ImagePixels? pixels = sink.Pixels;
            Assert.AreEqual(kept, pixels is not null, $"{expected}, {most}");
            Assert.AreEqual(40, features.Batch(0, 40).shape[0]);
            if (expected is not null && !kept)
                Assert.AreEqual(1, asked, "where the rows are known nothing is kept that will not be used");
        }
    }

    /// <summary>Ten times as many images to validate on take as long as an epoch of three.</summary>
    [TestMethod]
    public void PixelsOfAValidationSetAreKeptOnlyWhereThereIsTimeForThem()
    {
        using DisposeScope scope = NewDisposeScope();
        using ImageClassifier classifier = Classifier(out ImageShape shape);
        var options = new SharpnessAwareImageClassificationTrainer.Options
        {
            FeatureColumnName = "Image",
            TimeBudget = TimeSpan.FromHours(1),
        };
        double seconds = options.TimeBudget.Value.TotalSeconds;
        long images = (long)(seconds / 2.2 / FineTuningRun.SecondsOfOneImage(NetworkCost.OfOneImage(classifier), CPU));
        Func<long, long, bool> areFewEnough = FineTuningRun.AreFewEnough(options, classifier);
        Assert.IsTrue(areFewEnough(images, 0), "half the time of each of four epochs without a climb");
        Assert.IsTrue(areFewEnough(images, images / 10));
        Assert.IsFalse(areFewEnough(images, images * 10));

        foreach ((int validation, bool kept) in new[] { (20, true), (21, false) })
        {
            options.ValidationSet = Encoded(validation);
            using var random = new TorchRandom(1);
            IHost host = ((IHostEnvironment)MLContext).Register("test");
            using IChannel channel = host.Start("test");
            using FineTuningImages read = FineTuningImages.Read(Encoded(40), options, labelValues: null, classifier,
                (training, held) => training <= 40 && held <= 20, new TrainingContext(host, channel, 1, random));
            Assert.AreEqual(kept, read.Pixels is not null);
            Assert.AreEqual(kept ? validation : null, read.Pixels?.Validation?.Count);
            Assert.AreEqual((40, (long?)validation), (read.TrainingCount, read.ValidationCount));
        }
    }

    [TestMethod]
    [DataRow(FineTuning.HeadOnly, false)]
    [DataRow(FineTuning.Auto, false)]
    [DataRow(FineTuning.Gentle, false)]
    [DataRow(FineTuning.Auto, true)]
    public void TheModelIsBitForBitThatOfPixelsOnDiskAndTheSourceIsReadOnce(FineTuning kind, bool validates)
    {
        (string Hash, double Temperature, int Reads) streamed = Fit(workspace: null), cached = Fit(Folder.File($"{kind}{validates}"));
        Assert.AreEqual(cached.Hash, streamed.Hash);
        Assert.AreEqual(cached.Temperature, streamed.Temperature);
        Assert.AreEqual(1, streamed.Reads, "so that a source that can be read once only is enough");

        (string, double, int) Fit(string? workspace)
        {
            int reads = 0;
            IDataView data = Fitted.View(MLContext, Once(Shapes.Encoded(75, seed: 2), () => reads++));
            IDataView? validation = validates ? Encoded(21) : null;
            reads = 0;
            using SharpnessAwareImageClassificationTransformer model = Train(data, options =>
            {
                options.FineTuning = kind;
                options.TimeBudget = TimeSpan.FromHours(1);
                options.LeastToCompareOn = 6;
                options.ValidationSet = validation;
                options.WorkspacePath = workspace;
            });
            using DisposeScope scope = NewDisposeScope();
            Dictionary<string, Tensor> state =
                model.Classifier.Network.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value);
            return (TensorContent.Hash(state), model.Temperature, reads);
        }
    }

    /// <summary>FreezeBackbone: the same model as from pixels on disk, but for the last bits, which depend on how many images share a
    /// batch; the source is read once.</summary>
    [TestMethod]
    [DataRow(0.0)]
    [DataRow(0.3)]
    [DataRow(-1.0)]     // a validation set of its own
    public void AHeadOnAFrozenBackboneIsTrainedAsFromPixelsThatAreKept(double fraction)
    {
        (float[] Head, double Temperature, int Epochs, int Reads) streamed = Fit(null), cached = Fit(Folder.File($"frozen{fraction}"));
        Assert.AreEqual(1, streamed.Reads);
        Assert.AreEqual(cached.Epochs, streamed.Epochs);
        Assert.AreEqual(cached.Temperature, streamed.Temperature, 1e-4);
        Assert.AreEqual(fraction != 0, streamed.Temperature != 1);
        for (int i = 0; i < cached.Head.Length; i++)
            Assert.AreEqual(cached.Head[i], streamed.Head[i], 1e-4f);

        (float[], double, int, int) Fit(string? workspace)
        {
            int reads = 0;
            IDataView data = Fitted.View(MLContext, Once(Shapes.Encoded(75, seed: 2), () => reads++));
            IDataView? validation = fraction < 0 ? Encoded(21) : null;
            reads = 0;
            using SharpnessAwareImageClassificationTransformer model = Train(data, options =>
            {
                options.FreezeBackbone = true;
                options.Epoch = 3;
                options.BatchSize = 16;
                options.ValidationSet = validation;
                options.ValidationSetFraction = fraction > 0 ? fraction : null;
                options.WorkspacePath = workspace;
            });
            using DisposeScope scope = NewDisposeScope();
            float[] head = [.. model.Classifier.Network.state_dict().Values.SelectMany(tensor =>
                tensor.to_type(ScalarType.Float32).contiguous().data<float>().ToArray())];
            return (head, model.Temperature, model.History.Count, reads);
        }
    }

    [TestMethod]
    public void ABadImageIsNamedAndNothingMoreIsRunThroughTheBackbone()
    {
        List<EncodedRow> rows = Shapes.Encoded(200);
        rows[20].Image = [1, 2, 3];
        rows[150].Image = [4];
        CountingNetwork.Images = 0;
        InvalidOperationException exception = Assert.ThrowsExactly<InvalidOperationException>(() => Head(Fitted.View(MLContext, rows)));
        StringAssert.Contains(exception.Message, rows[20].ImagePath);
        StringAssert.Contains(exception.Message, rows[150].ImagePath);
        Assert.IsLessThan(40, CountingNetwork.Images);
    }

    [TestMethod]
    public void BadImagesThatAreSkippedLeaveTheOthersAsTheyWere()
    {
        List<EncodedRow> rows = Shapes.Encoded(60), good = [.. rows.Where((_, i) => i is not (0 or 31))];
        IDataView all = Fitted.View(MLContext, rows.Select((row, i) =>
            i is 0 or 31 ? new EncodedRow { Label = row.Label, Image = [7], ImagePath = row.ImagePath } : row));
        using SharpnessAwareImageClassificationTransformer skipped = Head(all, OnBadImage.Skip);
        using SharpnessAwareImageClassificationTransformer expected = Head(Fitted.View(MLContext, good));
        Assert.AreEqual(expected.Temperature, skipped.Temperature);
    }

    [TestMethod]
    public void OneClassIsAnErrorAlsoThere()
    {
        IDataView data = Fitted.View(MLContext, Shapes.Encoded(30).Where(row => row.Label == "down"));
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => Head(data)).Message, "of one class only");
    }

    private static SharpnessAwareImageClassificationTransformer Head(IDataView data, OnBadImage onBadImage = OnBadImage.Error) =>
        Train(data, options => (options.FineTuning, options.OnBadImage) = (FineTuning.HeadOnly, onBadImage));

    private static SharpnessAwareImageClassificationTransformer Train(
        IDataView data, Action<SharpnessAwareImageClassificationTrainer.Options> set)
    {
        var options = new SharpnessAwareImageClassificationTrainer.Options
        {
            FeatureColumnName = "Image",
            InitialWeights = _weights,
            Arch = CountingNetwork.Name,
            ImageWidth = 16,
            ImageHeight = 16,
            ImageChannels = 1,
            Device = "cpu",
        };
        set(options);
        return MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(data);
    }

    private static ImageClassifier Classifier(out ImageShape shape)
    {
        shape = new ImageShape(3, 16, 16);
        var statistics = new PixelStatistics([100, 110, 120], [50, 60, 70], ScalarType.Byte);
        return new ImageClassifier(NetworkArchitecture.ResNet8, NetworkArchitecture.Create(NetworkArchitecture.ResNet8, 3, shape), CPU,
            shape, ScalarType.Byte, new Normalization(statistics, CPU), numberOfClasses: 3);
    }

    private static IDataView Encoded(int count) => Fitted.View(MLContext, Shapes.Encoded(count, seed: 2));

    private static IEnumerable<EncodedRow> Once(IEnumerable<EncodedRow> rows, Action read)
    {
        read();
        foreach (EncodedRow row in rows)
            yield return row;
    }
}
