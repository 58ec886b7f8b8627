using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using Microsoft.ML.Runtime;
using Microsoft.ML.SharpnessAware.Tests.Calibration;
using Onnx;
using SkiaSharp;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>What ONNX Runtime says of a saved model, against Transform.</summary>
[TestClass]
public sealed partial class SaveOnnxTests
{
    private const float Tolerance = 1e-5f;

    private static readonly MLContext MLContext = new(1);

    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet8, 1, 12, 12)]
    [DataRow(NetworkArchitecture.ResNet8, 3, 29, 31)]
    [DataRow(NetworkArchitecture.ResNet20, 3, 32, 32)]
    [DataRow(NetworkArchitecture.ResNet56, 1, 28, 28)]
    [DataRow(NetworkArchitecture.ResNet18, 3, 64, 48)]
    [DataRow(NetworkArchitecture.ResNet18, 1, 33, 65)]
    [DataRow(NetworkArchitecture.ResNet34, 3, 32, 32)]
    [DataRow(NetworkArchitecture.ResNet50, 3, 37, 32)]
    [DataRow(NetworkArchitecture.MLNetResNet18, 3, 64, 64)]
    [DataRow(NetworkArchitecture.MLNetResNet18, 3, 33, 75)]
    [DataRow(NetworkArchitecture.WideResNet28x10, 3, 16, 17)]
    [DataRow(NetworkArchitecture.VitTiny, 3, 32, 24)]
    [DataRow(NetworkArchitecture.VitTiny, 1, 112, 128)]
    [DataRow(NetworkArchitecture.VitSmall, 3, 16, 16)]
    [DataRow(NetworkArchitecture.ConvNet, 1, 28, 28)]
    [DataRow(NetworkArchitecture.ConvNet, 3, 31, 5)]
    public void EveryNetworkWritesWhatItComputes(string architecture, int channels, int height, int width)
    {
        using SharpnessAwareImageClassificationTransformer model = Make(architecture, new(channels, height, width));
        using var folder = new TemporaryFolder();
        string path = folder.File("model.onnx");

        model.SaveOnnx(path);

        AssertSame(model, path);
    }

    [TestMethod]
    public void EveryBuiltInNetworkIsTested()
    {
        string[] tested = [.. typeof(SaveOnnxTests).GetMethod(nameof(EveryNetworkWritesWhatItComputes))!
            .GetCustomAttributes(typeof(DataRowAttribute), false).Select(row => (string)((DataRowAttribute)row).Data![0]!)];

        CollectionAssert.IsSubsetOf(NetworkArchitecture.Names.Where(NetworkArchitecture.IsBuiltIn).ToArray(), tested);
    }

    [TestMethod]
    [DataRow(NetworkArchitecture.VitTiny)]
    [DataRow(NetworkArchitecture.ResNet8)]
    public void EveryOpsetOnOfferGivesTheSame(string architecture)
    {
        using SharpnessAwareImageClassificationTransformer model = Make(architecture, new(3, 16, 16));
        using var folder = new TemporaryFolder();
        foreach (int opset in Enumerable.Range(OnnxExport.OldestOpset, OnnxExport.NewestOpset - OnnxExport.OldestOpset + 1))
        {
            string path = folder.File($"{opset}.onnx");
            model.SaveOnnx(path, new OnnxExportOptions { OpsetVersion = opset });
            AssertSame(model, path);
            // As the specification has it: the runtimes of an opset read no later format.
            ModelProto file = ModelProto.Parser.ParseFrom(File.ReadAllBytes(path));
            Assert.AreEqual(opset switch { 11 => 6, <= 14 => 7, <= 18 => 8, <= 20 => 9, _ => 10 }, file.IrVersion);
            Assert.AreEqual(("", opset), (file.OpsetImport.Single().Domain, file.OpsetImport.Single().Version));
        }
        foreach (int opset in new[] { 0, 10, 22, int.MaxValue })
        {
            var e = Assert.Throws<NotSupportedException>(() =>
                model.SaveOnnx(folder.File("x"), new OnnxExportOptions { OpsetVersion = opset }));
            Assert.Contains($"{opset}", e.Message);
        }
        Assert.IsFalse(File.Exists(folder.File("x")));
    }

    [TestMethod]
    [DataRow(OnnxPixelOrder.ChannelsFirst, OnnxPixelType.Byte)]
    [DataRow(OnnxPixelOrder.ChannelsFirst, OnnxPixelType.Float)]
    [DataRow(OnnxPixelOrder.ChannelsLast, OnnxPixelType.AsTrained)]
    [DataRow(OnnxPixelOrder.ChannelsLast, OnnxPixelType.Float)]
    public void PixelsMayHaveAnotherOrderAndType(OnnxPixelOrder order, OnnxPixelType type)
    {
        using SharpnessAwareImageClassificationTransformer model = Make(NetworkArchitecture.ResNet8, new(3, 12, 17));
        using var folder = new TemporaryFolder();
        string path = folder.File("model.onnx");

        model.SaveOnnx(path, new OnnxExportOptions { PixelOrder = order, PixelType = type });

        AssertSame(model, path, order, asBytes: type != OnnxPixelType.Float);
    }

    [TestMethod]
    [DataRow(ResizingKind.Fill)]
    [DataRow(ResizingKind.IsoCrop)]
    [DataRow(ResizingKind.IsoPad)]
    public void PicturesOfAnySizeAreResizedAsTheLibraryDoes(ResizingKind mode)
    {
        using SharpnessAwareImageClassificationTransformer model = Make(NetworkArchitecture.ResNet8, new(3, 20, 24), resizing: mode);
        using var folder = new TemporaryFolder();
        var engine = MLContext.Model.CreatePredictionEngine<EncodedRow, ScoredRow>(model);
        foreach (int opset in new[] { 11, 17, 21 })
        {
            var options = new OnnxExportOptions { OpsetVersion = opset, Resize = true, PixelOrder = OnnxPixelOrder.ChannelsLast };
            model.SaveOnnx(folder.File("model.onnx"), options);
            using var session = new InferenceSession(folder.File("model.onnx"));
            foreach ((int width, int height) in new[] { (24, 20), (48, 40), (100, 37), (37, 100), (23, 19), (7, 5), (1, 1), (24, 60),
                (300, 211), (10, 200) })
            {
                (byte[] png, byte[] pixels) = Picture(width, height);
                using var results = session.Run([NamedOnnxValue.CreateFromTensor("Image",
                    new DenseTensor<byte>(pixels, [1, height, width, 3]))]);
                float[] actual = [.. results[0].AsEnumerable<float>()];
                float[] expected = engine.Predict(new EncodedRow { Image = png }).Score;
                for (int k = 0; k < 3; k++)
                    // a pixel or two may round the other way
                    Assert.AreEqual(expected[k], actual[k], 1e-3f, $"{width} × {height}, opset {opset}");
            }
        }
    }

    [TestMethod]
    public void ApplyOnnxModelReadsTheFile()
    {
        using SharpnessAwareImageClassificationTransformer model = Make(NetworkArchitecture.ResNet8, new(1, 12, 12));
        using var folder = new TemporaryFolder();
        model.SaveOnnx(folder.File("model.onnx"));
        IDataView data = MLContext.Data.LoadFromEnumerable(Shapes.Pixels(7));
        float[][] expected = Fitted.Scores(MLContext, model.Transform(data));

        IDataView scored = MLContext.Transforms.ApplyOnnxModel(["Score"], ["Image"], folder.File("model.onnx")).Fit(data).Transform(data);

        float[][] actual = [.. scored.GetColumn<float[]>("Score")];
        for (int i = 0; i < 7; i++)
        {
            for (int k = 0; k < 3; k++)
                Assert.AreEqual(expected[i][k], actual[i][k], Tolerance);
        }
    }

    [TestMethod]
    public void FloatPixelsStayFloat()
    {
        using SharpnessAwareImageClassificationTransformer model = Make(NetworkArchitecture.ResNet8, new(1, 12, 12), ScalarType.Float32);
        using var folder = new TemporaryFolder();
        string path = folder.File("model.onnx");

        model.SaveOnnx(path);
        AssertSame(model, path, asBytes: false);
        Assert.Throws<NotSupportedException>(() => model.SaveOnnx(path, new OnnxExportOptions { PixelType = OnnxPixelType.Byte }));
        Assert.Throws<NotSupportedException>(() => model.SaveOnnx(path, new OnnxExportOptions { Resize = true }));
    }

    [TestMethod]
    public void TheFileSaysWhatItIs()
    {
        using SharpnessAwareImageClassificationTransformer model = Make(NetworkArchitecture.ConvNet, new(3, 20, 24));
        using var folder = new TemporaryFolder();
        string path = folder.File("new folder/model.onnx");

        model.SaveOnnx(path);

        using var session = new InferenceSession(path);
        Dictionary<string, string> metadata = session.ModelMetadata.CustomMetadataMap;
        Assert.AreEqual("convnet", metadata["architecture"]);
        Assert.AreEqual("3,20,24", metadata["input_size"]);
        Assert.AreEqual("uint8", metadata["pixel_type"]);
        Assert.AreEqual("NCHW", metadata["pixel_order"]);
        Assert.AreEqual("IsoCrop", metadata["resize_mode"]);
        Assert.AreEqual("1.5", metadata["temperature"]);
        Assert.AreEqual("[\"across\",\"down\",\"slanted\"]", metadata["class_names"]);
        CollectionAssert.AreEqual(new[] { "Image" }, session.InputMetadata.Keys.ToArray());
        CollectionAssert.AreEqual(new[] { "Score", "PredictedLabel" }, session.OutputMetadata.Keys.ToArray());
        CollectionAssert.AreEqual(new[] { -1, 3, 20, 24 }, session.InputMetadata["Image"].Dimensions);
    }

    [TestMethod]
    [EachCalibrator]
    public void CalibratorsGoAlong(string calibrator)
    {
        List<PixelRow> rows = Shapes.Pixels(240, seed: 20);
        foreach (PixelRow row in rows.Where((_, i) => i % 4 == 0))
            row.Label = Shapes.Names[row.Number % 2];                   // so that there is something to calibrate
        IDataView data = MLContext.Data.LoadFromEnumerable(rows);
        var pipeline = MLContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(Fitted.QuickOptions()))
            .Append(CalibratorFits.Estimator(calibrator, MLContext))
            .Append(MLContext.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
        using var model = pipeline.Fit(data);
        using var folder = new TemporaryFolder();
        string path = folder.File("model.onnx");

        model.SaveOnnx(path);

        NamedRow[] expected = [.. MLContext.Data.CreateEnumerable<NamedRow>(model.Transform(data), reuseRowObject: false)];
        byte[] pixels = [.. rows.SelectMany(row => row.Image)];
        (float[] scores, string[] labels) = Run(path,
            NamedOnnxValue.CreateFromTensor("Image", new DenseTensor<byte>(pixels, [240, 1, 12, 12])));
        for (int i = 0; i < 240; i++)
        {
            for (int k = 0; k < 3; k++)
                Assert.AreEqual(expected[i].Score[k], scores[(i * 3) + k], Tolerance);
            Assert.AreEqual(expected[i].PredictedLabel, labels[i]);
        }
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void ACalibratorWhoseClassStandsInAnotherColumnIsRefused(bool isTemperature)
    {
        using SharpnessAwareImageClassificationTransformer model = Make(NetworkArchitecture.ConvNet, new(1, 12, 12));
        using var folder = new TemporaryFolder();
        IDataView scored = model.Transform(Fitted.View(MLContext, Shapes.Pixels(60)));
        MulticlassCalibratorsCatalog calibrators = MLContext.MulticlassClassification.Calibrators;
        ITransformer calibrator = isTemperature
            ? calibrators.Temperature(predictedLabelColumnName: "Calibrated").Fit(scored)
            : calibrators.Isotonic(predictedLabelColumnName: "Calibrated").Fit(scored);

        var e = Assert.Throws<NotSupportedException>(() =>
            new TransformerChain<ITransformer>(model, calibrator).SaveOnnx(folder.File("x")));

        Assert.Contains("'Calibrated' beside 'PredictedLabel'", e.Message);
        Assert.IsEmpty(folder.FileNames());
    }

    [TestMethod]
    public void OptionsThatSayNothingAreRefused()
    {
        using SharpnessAwareImageClassificationTransformer model = Make(NetworkArchitecture.ConvNet, new(1, 12, 12));
        using var folder = new TemporaryFolder();
        void Refused<T>(OnnxExportOptions options, string what)
            where T : Exception => Assert.Contains(what, Assert.Throws<T>(() => model.SaveOnnx(folder.File("x"), options)).Message);

        Refused<ArgumentException>(new() { QuantizationSet = Fitted.View(MLContext, Shapes.Pixels(3)) }, "Quantize = Int8");
        Refused<ArgumentOutOfRangeException>(new() { PixelOrder = (OnnxPixelOrder)7 }, "PixelOrder");
        Refused<ArgumentOutOfRangeException>(new() { PixelType = (OnnxPixelType)7 }, "PixelType");
        Assert.IsEmpty(folder.FileNames());
    }

    [TestMethod]
    [DataRow(NetworkArchitecture.MLNetResNet18)]
    [DataRow(NetworkArchitecture.ResNet8)]
    [DataRow(NetworkArchitecture.VitTiny)]
    [DataRow(NetworkArchitecture.ConvNet)]
    public void NoImagesAreABatchToo(string architecture)
    {
        using SharpnessAwareImageClassificationTransformer model = Make(architecture, new(3, 32, 32));
        using var folder = new TemporaryFolder();
        string path = folder.File("model.onnx");
        model.SaveOnnx(path);

        (float[] scores, string[] labels) = Run(path, NamedOnnxValue.CreateFromTensor("Image", new DenseTensor<byte>([0, 3, 32, 32])));

        Assert.IsEmpty(scores);
        Assert.IsEmpty(labels);
    }

    [TestMethod]
    public void BadPathsAndChainsAreRefused()
    {
        using SharpnessAwareImageClassificationTransformer model = Make(NetworkArchitecture.ConvNet, new(1, 12, 12));
        using var folder = new TemporaryFolder();
        Assert.Contains("folder", Assert.Throws<IOException>(() => model.SaveOnnx(folder.Path)).Message);
        Assert.Throws<ArgumentException>(() => model.SaveOnnx(""));

        ITransformer copy = MLContext.Transforms.CopyColumns("Copy", "Image").Fit(MLContext.Data.LoadFromEnumerable(Shapes.Pixels(1)));
        var e = Assert.Throws<NotSupportedException>(() => new TransformerChain<ITransformer>(copy, model).SaveOnnx(folder.File("x")));
        Assert.Contains("ColumnCopyingTransformer", e.Message);
        Assert.Throws<NotSupportedException>(() => copy.SaveOnnx(folder.File("x")));
        Assert.IsEmpty(folder.FileNames());
    }

    /// <summary>A model with random weights and statistics, none of which is 0 or 1.</summary>
    private static SharpnessAwareImageClassificationTransformer Make(
        string architecture, ImageShape shape, ScalarType pixelType = ScalarType.Byte, ResizingKind resizing = ResizingKind.IsoCrop)
    {
        nn.Module<Tensor, Tensor> network = TorchRandom.Isolated(() =>
        {
            random.manual_seed(3);
            nn.Module<Tensor, Tensor> made = NetworkArchitecture.Create(architecture, 3, shape);
            using IDisposable noGradient = no_grad();
            using DisposeScope scope = NewDisposeScope();
            foreach ((string name, Tensor buffer) in made.named_buffers())
            {
                if (name.EndsWith("running_mean", StringComparison.Ordinal))
                    buffer.copy_(randn(buffer.shape).mul(0.2));
                else if (name.EndsWith("running_var", StringComparison.Ordinal))
                    buffer.copy_(rand(buffer.shape).add(0.7));
            }
            foreach ((string name, Tensor parameter) in made.named_parameters().Where(entry => entry.parameter.dim() == 1))
                parameter.copy_(randn(parameter.shape).mul(0.2).add(name.EndsWith("weight", StringComparison.Ordinal) ? 0.8 : 0));
            made.eval();
            return made;
        });
        double[] mean = [.. Enumerable.Range(0, shape.Channels).Select(channel => 120.0 + channel)];
        double[] deviation = [.. Enumerable.Range(0, shape.Channels).Select(channel => 70.0 - channel)];
        IHostEnvironment env = CatalogUtils.GetEnvironment(MLContext.Transforms);
        var classifier = new ImageClassifier(architecture, network, CPU, shape, pixelType,
            new Normalization(new(mean, deviation, pixelType), CPU), 3)
        {
            Resizing = resizing,
        };
        return new SharpnessAwareImageClassificationTransformer(env, classifier, new ClassifierDescription
        {
            FeatureColumnName = "Image",
            ScoreColumnName = "Score",
            PredictedLabelColumnName = "PredictedLabel",
            LabelValues = LabelValues.Of(Fitted.View(MLContext, Shapes.Pixels(3)).Schema["Label"]),
            Method = SharpnessAwareMethod.Standard,
            Temperature = 1.5,
            History = [],
        });
    }

    private static void AssertSame(
        SharpnessAwareImageClassificationTransformer model, string path, OnnxPixelOrder order = OnnxPixelOrder.ChannelsFirst,
            bool asBytes = true)
    {
        const int Rows = 5;
        (int channels, int height, int width) = model.Classifier.Shape;
        byte[] pixels = new byte[Rows * model.Classifier.Shape.ValueCount];
        new Random(4).NextBytes(pixels);
        float[] expected = new float[Rows * 3];
        using (DisposeScope scope = NewDisposeScope())
        {
            Tensor images = tensor(pixels, [Rows, channels, height, width]).to(model.Classifier.PixelType);
            model.Classifier.Probabilities(images, model.Temperature, expected);
        }

        byte[] ordered = order == OnnxPixelOrder.ChannelsFirst ? pixels : ChannelsLast(pixels, Rows, channels, height * width);
        int[] dimensions = order == OnnxPixelOrder.ChannelsFirst ? [Rows, channels, height, width] : [Rows, height, width, channels];
        NamedOnnxValue input = asBytes
            ? NamedOnnxValue.CreateFromTensor("Image", new DenseTensor<byte>(ordered, dimensions))
            : NamedOnnxValue.CreateFromTensor(
                "Image", new DenseTensor<float>(Array.ConvertAll(ordered, pixel => (float)pixel), dimensions));
        (float[] scores, string[] labels) = Run(path, input);

        Assert.HasCount(expected.Length, scores);
        Assert.IsLessThan(0.999f, expected.Max(), "a saturated network would hide differences");
        for (int i = 0; i < scores.Length; i++)
            Assert.AreEqual(expected[i], scores[i], Tolerance);
        for (int row = 0; row < Rows; row++)
            Assert.AreEqual(Shapes.Names[ProbabilityBuffer.Key(expected.AsSpan(row * 3, 3)) - 1], labels[row]);
    }

    [TestMethod]
    [DataRow(11, false)]
    [DataRow(17, true)]
    [DataRow(21, false)]
    public void AnImageWhoseScoresAreNotNumbersHasNoPredictedLabel(int opset, bool isCalibrated)
    {
        List<FloatRow> rows = Shapes.Floats(30);
        IDataView data = Fitted.View(MLContext, rows);
        using SharpnessAwareImageClassificationTransformer classifier = Fitted.Model(MLContext, data, options => options.Epoch = 1);
        ITransformer model = isCalibrated
            ? classifier.Append(MLContext.MulticlassClassification.Calibrators.Isotonic().Fit(classifier.Transform(data))) : classifier;
        Array.Fill(rows[1].Image, 1e38f);
        using var folder = new TemporaryFolder();
        string path = folder.File("model.onnx");
        model.SaveOnnx(path, new OnnxExportOptions { OpsetVersion = opset });
        (float[] scores, string[] labels) = Run(path, NamedOnnxValue.CreateFromTensor("Image",
            new DenseTensor<float>(rows.SelectMany(row => row.Image).ToArray(), [30, 1, Shapes.Size, Shapes.Size])));
        Assert.IsTrue(scores[3..6].All(float.IsNaN));
        Assert.AreEqual("", labels[1]);
        Assert.AreEqual(29, labels.Count(Shapes.Names.Contains));
    }

    /// <summary>A smooth picture as a file, and its pixels one after the other.</summary>
    private static (byte[] Png, byte[] Pixels) Picture(int width, int height)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        byte[] pixels = new byte[width * height * 3];
        for (int i = 0; i < width * height; i++)
        {
            (int x, int y) = (i % width, i / width);
            for (int channel = 0; channel < 3; channel++)
                pixels[(3 * i) + channel] = (byte)(128 + (100 * Math.Sin(((channel + 1) * x / 9.0) + (y / 5.0))));
            bitmap.SetPixel(x, y, new SKColor(pixels[3 * i], pixels[(3 * i) + 1], pixels[(3 * i) + 2]));
        }
        using SKData data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return (data.ToArray(), pixels);
    }

    private static byte[] ChannelsLast(byte[] pixels, int rows, int channels, int area)
    {
        byte[] ordered = new byte[pixels.Length];
        for (int row = 0; row < rows; row++)
        {
            for (int channel = 0; channel < channels; channel++)
            {
                for (int i = 0; i < area; i++)
                    ordered[(((row * area) + i) * channels) + channel] = pixels[(((row * channels) + channel) * area) + i];
            }
        }
        return ordered;
    }

    private static (float[] Scores, string[] Labels) Run(string path, NamedOnnxValue input)
    {
        using var options = new Microsoft.ML.OnnxRuntime.SessionOptions { IntraOpNumThreads = 1 };
        using var session = new InferenceSession(path, options);
        using var results = session.Run([input]);
        return ([.. results[0].AsEnumerable<float>()], [.. results[1].AsEnumerable<string>()]);
    }
}
