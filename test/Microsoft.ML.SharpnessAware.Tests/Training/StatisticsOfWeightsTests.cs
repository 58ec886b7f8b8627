using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using SkiaSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>How the pixels that weights were trained on were normalised, in the channels and units of others: what the network sees is the
/// same picture.</summary>
[TestClass]
public sealed class StatisticsOfWeightsTests
{
    private const int Times = 3, Side = Times * Shapes.Size;

    private static readonly MLContext MLContext = new(1);
    private static readonly TemporaryFolder Folder = new();

    public TestContext TestContext { get; set; } = null!;

    [ClassCleanup]
    public static void Clean() => Folder.Dispose();

    /// <summary>With the package's weights, whose deviation is 1 in the units of bytes, nearly: their means differ by a tint.</summary>
    [TestMethod]
    [DataRow("files taken as grey")]
    [DataRow("grey vectors")]
    public void GreyPicturesGiveTheFeaturesOfTheSamePicturesInColour(string kind)
    {
        using DisposeScope scope = NewDisposeScope();
        IDataView grey = kind == "grey vectors" ? Bytes() : Files();
        using SharpnessAwareImageClassificationTransformer inColour = Fit(Files(), channels: 3), asGrey =
            Fit(grey, channels: kind == "grey vectors" ? null : 1);
        Assert.AreEqual(1, asGrey.Classifier.Shape.Channels);
        AssertNear([OnnxResNet.Mean.Average()], asGrey.Classifier.Normalization.Statistics.Mean);
        AssertNear([1], asGrey.Classifier.Normalization.Statistics.StandardDeviation);

        Tensor expected = Features(inColour, Files()), actual = Features(asGrey, grey);
        double difference = actual.Plus(expected.negative()).norm().item<float>() / expected.norm().item<float>();
        TestContext.WriteLine($"{difference:P2}");
        Assert.IsLessThan(0.25, difference);
    }

    /// <summary>Where the channels' statistics are the same, so is the network's output.</summary>
    [TestMethod]
    public void GreyPicturesGiveTheLogitsOfColourToRounding()
    {
        using DisposeScope scope = NewDisposeScope();
        (ImageShape colour, ImageShape grey) = (new(3, 16, 16), new(1, 16, 16));
        using ImageClassifier earlier = Classifier(colour, new([120, 120, 120], [3, 3, 3], ScalarType.Byte));
        using InitialWeights weights = Saved(earlier, "same in all.safetensors");
        using IChannel channel = ((IHostEnvironment)MLContext).Start("test");
        using ImageClassifier ofGrey = Classifier(grey, weights.StatisticsFor(ScalarType.Byte, grey, channel)!);
        weights.CopyTo(ofGrey.Network, 2, grey, channel: null);
        ofGrey.Network.eval();

        using Tensor pixels = randint(0, 256, [5, 1, 16, 16], dtype: ScalarType.Byte);
        Assert.IsTrue(Logits(ofGrey, pixels).allclose(Logits(earlier, pixels.expand(5, 3, 16, 16)), rtol: 1e-4, atol: 1e-4));

        PixelStatistics uneven = new([100, 120, 140], [50, 60, 70], ScalarType.Byte);
        AssertNear([120], uneven.ForChannels(1)!.Mean);
        AssertNear([60], uneven.ForChannels(1)!.StandardDeviation);
        AssertNear([7, 7, 7], new PixelStatistics([7], [2]).ForChannels(3)!.Mean);
        Assert.IsNull(uneven.ForChannels(4));
    }

    /// <summary>As ML.NET's ExtractPixels gives them by default, or divided by 255.</summary>
    [TestMethod]
    [DataRow(255f)]
    [DataRow(1f)]
    [DataRow(255 * 0.00392157f)]    // a little more than 1, as ExtractPixels gives it with this scale
    public void FloatVectorsGiveTheScoresOfTheSameBytes(float white)
    {
        IDataView floats = Floats(white, shift: 0);
        using SharpnessAwareImageClassificationTransformer ofBytes = Fit(Bytes()), ofFloats = Fit(floats);
        AssertNear([OnnxResNet.Mean.Average() * Math.Round(white) / 255], ofFloats.Classifier.Normalization.Statistics.Mean);
        AssertNear([Math.Round(white) / 255.0], ofFloats.Classifier.Normalization.Statistics.StandardDeviation);
        using (DisposeScope scope = NewDisposeScope())
            Assert.IsTrue(Features(ofFloats, floats).allclose(Features(ofBytes, Bytes()), rtol: 1e-3, atol: 1e-3));

        string path = Folder.File($"of floats {white}.safetensors");
        ofFloats.SaveWeights(path);
        using SharpnessAwareImageClassificationTransformer back = Fit(Bytes(), file: path);
        AssertNear(ofBytes.Classifier.Normalization.Statistics.Mean, back.Classifier.Normalization.Statistics.Mean);
        AssertNear([1], back.Classifier.Normalization.Statistics.StandardDeviation);
    }

    [TestMethod]
    public void FloatsOfUnknownUnitsAreRefusedWhereTheWeightsAreOfBytesAndTheOtherWayRound()
    {
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => Fit(Floats(1, shift: -0.5f))).Message;
        StringAssert.Contains(message, OnnxFile.ResNet18);
        StringAssert.Contains(message, "give bytes (ExtractPixels with outputAsFloatArray: false), or floats in [0, 1] or in [0, 255]");
        Assert.ThrowsExactly<InvalidOperationException>(() => Fit(Floats(10, shift: 0)));

        var shape = new ImageShape(1, Side, Side);
        using ImageClassifier earlier = Classifier(shape, new([0.1], [1], ScalarType.Float32));
        using InitialWeights weights = Saved(earlier, "standardised.safetensors");
        message = Assert.ThrowsExactly<InvalidOperationException>(() => Fit(Bytes(), file: weights.Path)).Message;
        StringAssert.Contains(message, "give float pixels in the units of those");
        StringAssert.Contains(message, "set Normalization");
        Fit(Bytes(), file: weights.Path, normalization: PixelNormalization.Of([0.1], [1])).Dispose();
        Fit(Floats(1, shift: -0.5f), file: weights.Path).Dispose();
    }

    [TestMethod]
    public void OtherFloatUnitsThanThoseOfTheWeightsAreWarnedOf()
    {
        using ImageClassifier earlier = Classifier(new ImageShape(1, Side, Side), new([0.4], [0.2], ScalarType.Float32));
        using InitialWeights weights = Saved(earlier, "of one.safetensors");
        List<string> log = [];
        Fit(Floats(255, shift: 0), file: weights.Path, log: log).Dispose();
        Assert.IsTrue(log.Any(message => message.Contains("1 was white", StringComparison.Ordinal)));
        log.Clear();
        Fit(Floats(1, shift: 0), file: weights.Path, log: log).Dispose();
        Assert.IsFalse(log.Any(message => message.Contains("was white", StringComparison.Ordinal)));
    }

    [TestMethod]
    [DataRow("package", "ImageNet", true)]
    [DataRow("package", "its own", false)]
    [DataRow("ImageNet's", "ImageNet", false)]
    [DataRow("ImageNet's", "half", false)]
    [DataRow("ImageNet's", "bytes", true)]
    public void ANormalisationThatIsWhollyUnlikeThatOfTheWeightsIsWarnedOf(string of, string given, bool isWarnedOf)
    {
        using ImageClassifier earlier = Classifier(new ImageShape(3, 32, 32), PixelNormalization.ImageNet.ForBytes());
        using InitialWeights ofImageNet = Saved(earlier, $"{of} {given}.safetensors");
        List<string> log = [];
        PixelNormalization normalization = given switch
        {
            "ImageNet" => PixelNormalization.ImageNet,
            "half" => PixelNormalization.Of([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
            "bytes" => PixelNormalization.Of([0, 0, 0], [1 / 255.0, 1 / 255.0, 1 / 255.0]),
            _ => PixelNormalization.Of(OnnxResNet.Mean.Select(mean => mean / 255), Enumerable.Repeat(1 / 255.0, 3)),
        };
        Fit(Files(), channels: 3, file: of == "package" ? null : ofImageNet.Path, log: log, normalization: normalization).Dispose();
        Assert.AreEqual(isWarnedOf, log.Any(message => message.Contains("Leave Normalization unset", StringComparison.Ordinal)),
            string.Join(Environment.NewLine, log));
    }

    /// <summary>Against ImageNet's own, (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225).</summary>
    [TestMethod]
    [DataRow(new[] { 0.485, 0.456, 0.9 }, new[] { 0.229, 0.224, 0.225 }, true)]
    [DataRow(new[] { 0.485, 0.456, 0.406 }, new[] { 0.229, 0.224, 0.8 }, true)]
    [DataRow(new[] { 0.485, 0.456, 0.406 }, new[] { 0.02, 0.02, 0.02 }, true)]
    [DataRow(new[] { 0.785, 0.756, 0.706 }, new[] { 0.229, 0.224, 0.225 }, true)]
    [DataRow(new[] { 0.685, 0.656, 0.606 }, new[] { 0.6, 0.6, 0.6 }, false)]
    public void OneChannelThatIsWhollyUnlikeIsEnough(double[] mean, double[] deviation, bool isWarnedOf)
    {
        using ImageClassifier earlier = Classifier(new ImageShape(3, 32, 32), PixelNormalization.ImageNet.ForBytes());
        using InitialWeights weights = Saved(earlier, "one channel.safetensors");
        Assert.AreEqual(isWarnedOf, weights.AdviceOn(new PixelStatistics(mean, deviation), white: 1) is not null);
    }

    /// <summary>A variance above mean · (white − mean) is that of no values from black to white.</summary>
    [TestMethod]
    [DataRow(0.5, 0.5, 1.0)]
    [DataRow(0.45, 1 / 255.0, 1.0)]
    [DataRow(115, 1, 255.0)]
    [DataRow(0.1, 1, null)]
    [DataRow(0, 1, null)]
    [DataRow(-0.1, 0.2, null)]
    [DataRow(300, 20, null)]
    [DataRow(5, 3, null)]
    [DataRow(10, 30, 255.0)]
    public void WhatIsWhiteIsToldByMeanAndDeviation(double mean, double deviation, double? white) =>
        Assert.AreEqual(white, new PixelStatistics([mean], [deviation], ScalarType.Float32).White);

    /// <summary>It has deviation 1 so that it can be divided by.</summary>
    [TestMethod]
    [DataRow(new[] { 0.4, 0, 0.5 }, new[] { 0.2, 1, 0.2 }, 1.0)]
    [DataRow(new[] { 0.4, 1, 0.5 }, new[] { 0.2, 1, 0.2 }, 1.0)]
    [DataRow(new[] { 100, 0, 120.0 }, new[] { 40, 1, 50.0 }, 255.0)]
    [DataRow(new[] { 100, 300, 120.0 }, new[] { 40, 1, 50.0 }, null)]
    [DataRow(new[] { 0.4, -1, 0.5 }, new[] { 0.2, 1, 0.2 }, null)]
    [DataRow(new[] { 0, 0, 0.0 }, new[] { 1, 1, 1.0 }, null)]
    [DataRow(new[] { 123, 117, 104.0 }, new[] { 1, 1, 1.0 }, 255.0)]
    public void AChannelThatNeverChangesSaysNothingOfWhite(double[] mean, double[] deviation, double? white) =>
        Assert.AreEqual(white, new PixelStatistics(mean, deviation, ScalarType.Float32).White);

    [TestMethod]
    public void FloatsOfUnknownUnitsAreNotNormalisedAsUsualAndTheLogSaysSo()
    {
        string path = Folder.File("published.safetensors");
        using (DisposeScope scope = NewDisposeScope())
        using (FileStream file = File.Create(path))
            SafetensorsFile.Write(file, NetworkArchitecture.Create(NetworkArchitecture.ResNet18, 10, new(3, 224, 224)).state_dict());
        using InitialWeights weights = InitialWeights.Read(MLContext, path, architecture: null)!;
        foreach ((float shift, bool isKnown) in new[] { (0f, true), (-0.5f, false) })
        {
            List<string> log = [];
            var mlContext = new MLContext(1);
            mlContext.Log += (_, e) => log.Add($"{e.Kind}: {e.Message}");
            using IChannel channel = ((IHostEnvironment)mlContext).Start("test");
            using ImageDataset images = ImageDataset.Load(Floats(1, shift), "Image", "Label", new ImageRequest());
            Assert.AreEqual(isKnown, weights.StatisticsFor(images, channel) is not null);
            Assert.AreEqual(!isKnown, log.Any(line => line.StartsWith("Warning", StringComparison.Ordinal)
                && line.Contains("those of the training images", StringComparison.Ordinal)), string.Join('\n', log));
        }
    }

    private static IEnumerable<PixelRow> Rows() => Shapes.Pixels(18, seed: 2);

    private static byte[] Enlarged(byte[] pixels) =>
        [.. Enumerable.Range(0, Side * Side).Select(i => pixels[(i / Side / Times * Shapes.Size) + (i % Side / Times)])];

    private static IDataView Bytes() =>
        Fitted.View(MLContext, Rows().Select(row => new LargePixels { Label = row.Label, Image = Enlarged(row.Image) }));

    private static IDataView Floats(float white, float shift) => Fitted.View(MLContext, Rows().Select(row => new LargeFloats
    {
        Label = row.Label, Image = Array.ConvertAll(Enlarged(row.Image), pixel => (pixel * white / 255f) + shift),
    }));

    private static IDataView Files() => Fitted.View(MLContext, Rows().Select(row =>
    {
        using var bitmap = new SKBitmap(new SKImageInfo(Side, Side, SKColorType.Gray8, SKAlphaType.Opaque));
        System.Runtime.InteropServices.Marshal.Copy(Enlarged(row.Image), 0, bitmap.GetPixels(), Side * Side);
        using SKData data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return new EncodedRow { Label = row.Label, Image = data.ToArray() };
    }));

    private static SharpnessAwareImageClassificationTransformer Fit(IDataView data, int? channels = null, string? file = null,
        List<string>? log = null, PixelNormalization? normalization = null)
    {
        var mlContext = new MLContext(1);
        mlContext.Log += (_, e) => log?.Add(e.Message);
        bool arePictures = data.Schema["Image"].Type is VectorDataViewType { IsKnownSize: false };
        var options = new SharpnessAwareImageClassificationTrainer.Options
        {
            FeatureColumnName = "Image",
            InitialWeights = file ?? OnnxFile.ResNet18,
            FineTuning = FineTuning.HeadOnly,
            ImageWidth = arePictures ? Side : null,
            ImageHeight = arePictures ? Side : null,
            ImageChannels = channels,
            Device = "cpu",
        };
        if (normalization is not null)
            options.Normalization = normalization;
        return mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(data);
    }

    /// <summary>What the backbone makes of the images.</summary>
    private static Tensor Features(SharpnessAwareImageClassificationTransformer model, IDataView data)
    {
        ImageClassifier classifier = model.Classifier;
        using ImageDataset images = ImageDataset.Load(data, "Image", "Label", new ImageRequest(classifier.Shape, classifier.Resizing));
        using var backbone = new Backbone(classifier);
        return backbone.Features(images.Batch(0, images.Count));
    }

    private static ImageClassifier Classifier(ImageShape shape, PixelStatistics statistics)
    {
        nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(NetworkArchitecture.ConvNet, 2, shape);
        network.eval();
        return new(NetworkArchitecture.ConvNet, network, CPU, shape, statistics.PixelType!.Value, new Normalization(statistics, CPU), 2);
    }

    private static InitialWeights Saved(ImageClassifier classifier, string name)
    {
        string path = Folder.File(name);
        WeightsFile.Save(path, classifier, temperature: 1, ["a", "b"]);
        return InitialWeights.Read(MLContext, path, architecture: null)!;
    }

    private static Tensor Logits(ImageClassifier classifier, Tensor pixels)
    {
        using IDisposable noGradient = no_grad();
        return classifier.Run(classifier.Prepare(pixels));
    }

    private static void AssertNear(IReadOnlyList<double> expected, IReadOnlyList<double> actual)
    {
        Assert.HasCount(expected.Count, actual);
        for (int i = 0; i < expected.Count; i++)
            Assert.AreEqual(expected[i], actual[i], 1e-6);
    }

    private sealed class LargePixels
    {
        public string Label { get; set; } = "";

        [VectorType(1, Side, Side)]
        public byte[] Image { get; set; } = [];
    }

    private sealed class LargeFloats
    {
        public string Label { get; set; } = "";

        [VectorType(1, Side, Side)]
        public float[] Image { get; set; } = [];
    }
}
