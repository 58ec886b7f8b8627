using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>SaveOnnx with Quantize = Int8, against the same model in float32.</summary>
[TestClass]
public sealed partial class SaveQuantizedOnnxTests
{
    private const float Rounding = 5e-3f;       // what values that round the other way change

    private static readonly MLContext MLContext = new(1);

    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet8)]
    [DataRow(NetworkArchitecture.ConvNet)]
    [DataRow(NetworkArchitecture.VitTiny)]
    [DataRow(NetworkArchitecture.MLNetResNet18)]
    public void TheFileIsAQuarterAndScoresNearlyTheSame(string architecture)
    {
        bool isLarge = architecture is NetworkArchitecture.VitTiny or NetworkArchitecture.MLNetResNet18;
        int count = isLarge ? 24 : 150;
        IDataView data = isLarge ? Fitted.View(MLContext, Shapes.Encoded(count)) : Hard(count);
        using SharpnessAwareImageClassificationTransformer model = Train(data, architecture,
            side: architecture switch { NetworkArchitecture.VitTiny => 16, NetworkArchitecture.MLNetResNet18 => 32, _ => null });
        using var folder = new TemporaryFolder();
        string plain = folder.File("plain.onnx"), path = folder.File("int8.onnx");
        Assert.IsNull(model.SaveOnnx(plain));

        OnnxQuantizationReport report = model.SaveOnnx(path, Int8(data))!;

        Assert.IsLessThan(architecture == NetworkArchitecture.ResNet8 ? 0.4 : 0.3, (double)Size(path) / Size(plain));
        Assert.AreEqual(Size(plain), report.BytesBefore);
        Assert.AreEqual(Size(path), report.BytesAfter);
        IDataView before = model.Transform(data), after = Scored(path, data);
        float[][] expected = Fitted.Scores(MLContext, before), actual = Fitted.Scores(MLContext, after);
        double[] differences = [.. expected.Zip(actual, (one, other) => one.Zip(other, (a, b) => Math.Abs(a - b)).Max())];
        Assert.IsLessThan(0.02, differences.Average());
        Assert.IsGreaterThan(0, differences.Average(), "nothing was rounded");
        Assert.IsGreaterThanOrEqualTo(0.97, Same(before, after));

        Assert.AreEqual(count, report.Count);
        Assert.AreEqual(Same(before, after), report.SameClass, 0.01);
        AssertEqual(MLContext.MulticlassClassification.EvaluateCalibration(before), report.Before!);
        AssertEqual(MLContext.MulticlassClassification.EvaluateCalibration(after), report.After!);
    }

    [TestMethod]
    public void TheTemperatureIsFittedAgainAndIsInTheFile()
    {
        IDataView data = Hard(150);
        NetworkArchitecture.Register("int8_coarse", classes => nn.Sequential(("first", nn.Conv2d(1, 8, 3, padding: 1)), ("act", nn.ReLU()),
            ("second", nn.Conv2d(8, 8, 3, padding: 1)), ("act2", nn.ReLU()), ("one", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()),
            ("fc", nn.Linear(8, classes))));
        using SharpnessAwareImageClassificationTransformer trained = Train(data, "int8_coarse", epochs: 12);
        using SharpnessAwareImageClassificationTransformer model = trained.WithTemperature(0.4);
        // A channel that nobody reads, and that is so large that the others are rounded coarsely.
        using (IDisposable noGradient = no_grad())
        {
            Dictionary<string, Tensor> weights = model.Classifier.Network.named_parameters()
                .ToDictionary(each => each.name, each => (Tensor)each.parameter);
            weights["first.weight"].select(0, 7).zero_();
            weights["first.bias"].select(0, 7).fill_(400);
            weights["second.weight"].select(1, 7).zero_();
        }

        using var folder = new TemporaryFolder();
        string path = folder.File("int8.onnx");

        OnnxQuantizationReport report = model.SaveOnnx(path, Int8(data))!;

        Assert.AreEqual(0.4, report.TemperatureBefore);
        Assert.IsGreaterThan(0.01, Math.Abs(Math.Log(report.TemperatureAfter / 0.4)));
        using OnnxImageClassifierTransformer saved = MLContext.Transforms.ScoreOnnxImageClassifier(path).Fit(data);
        Assert.AreEqual(report.TemperatureAfter, saved.Temperature);
        float[][] wanted = Fitted.Scores(MLContext, model.Transform(data)), found = Fitted.Scores(MLContext, saved.Transform(data));
        double best = CrossEntropy(wanted, found, 1);
        Assert.IsLessThan(CrossEntropy(wanted, found, 0.4 / report.TemperatureAfter), best);    // the temperature of before
        Assert.IsLessThan(CrossEntropy(wanted, found, 1.01), best);
        Assert.IsLessThan(CrossEntropy(wanted, found, 0.99), best);

        MulticlassCalibrationMetrics after = MLContext.MulticlassClassification.EvaluateCalibration(saved.Transform(data));
        Assert.AreEqual(after.LogLoss, report.After!.LogLoss, 1e-5);
    }

    [TestMethod]
    public void ApplyOnnxModelReadsTheFile()
    {
        IDataView data = Hard(60);
        using SharpnessAwareImageClassificationTransformer model = Train(data);
        using var folder = new TemporaryFolder();
        string path = folder.File("int8.onnx");
        model.SaveOnnx(path, Int8(data));

        IDataView scored = MLContext.Transforms.ApplyOnnxModel(["Score"], ["Image"], path).Fit(data).Transform(data);

        AssertSame(Fitted.Scores(MLContext, Scored(path, data)), [.. scored.GetColumn<float[]>("Score")], 1e-5f);
    }

    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet8)]
    [DataRow(NetworkArchitecture.ConvNet)]
    public void ProcessorsWithoutInstructionsForItGiveTheSameScores(string architecture)
    {
        IDataView data = Hard(60);
        using SharpnessAwareImageClassificationTransformer model = Train(data, architecture);
        using var folder = new TemporaryFolder();
        string path = folder.File("int8.onnx");
        model.SaveOnnx(path, Int8(data));

        using OnnxImageClassifierTransformer precise = MLContext.Transforms.ScoreOnnxImageClassifier(path,
            configureSession: options => options.AddSessionConfigEntry("session.x64quantprecision", "1")).Fit(data);

        AssertSame(Fitted.Scores(MLContext, Scored(path, data)), Fitted.Scores(MLContext, precise.Transform(data)), Rounding);
    }

    [TestMethod]
    public void ItIsTheSameFileEachTime()
    {
        IDataView data = Hard(60);
        using SharpnessAwareImageClassificationTransformer model = Train(data);
        using var folder = new TemporaryFolder();

        model.SaveOnnx(folder.File("one.onnx"), Int8(data));
        model.SaveOnnx(folder.File("two.onnx"), Int8(data));

        CollectionAssert.AreEqual(File.ReadAllBytes(folder.File("one.onnx")), File.ReadAllBytes(folder.File("two.onnx")));
    }

    [TestMethod]
    public void OtherOptionsChangeNothingInTheScores()
    {
        IDataView data = Hard(60);
        using SharpnessAwareImageClassificationTransformer model = Train(data);
        using var folder = new TemporaryFolder();
        string path = folder.File("int8.onnx");
        model.SaveOnnx(path, Int8(data));
        float[][] expected = Fitted.Scores(MLContext, Scored(path, data));
        foreach (OnnxExportOptions options in new[]
        {
            Int8(data) with { OpsetVersion = 13 }, Int8(data) with { OpsetVersion = 21 },
            Int8(data) with { PixelOrder = OnnxPixelOrder.ChannelsLast, Resize = true },
            Int8(data) with { PixelType = OnnxPixelType.Float },
        })
        {
            model.SaveOnnx(path, options);

            AssertSame(expected, Fitted.Scores(MLContext, Scored(path, data)), Rounding, $"{options}");
        }
    }

    [TestMethod]
    public void AChainBringsItsCalibratorsAndMapsLabels()
    {
        IDataView named = MLContext.Data.LoadFromEnumerable(HardRows(150));
        using var model = MLContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(Fitted.QuickOptions()))
            .Append(MLContext.MulticlassClassification.Calibrators.Vector())
            .Append(MLContext.Transforms.Conversion.MapKeyToValue("PredictedLabel")).Fit(named);
        using var folder = new TemporaryFolder();
        string path = folder.File("int8.onnx");

        OnnxQuantizationReport report = model.SaveOnnx(path, Int8(named))!;

        AssertEqual(MLContext.MulticlassClassification.EvaluateCalibration(model.Transform(named)), report.Before!);
        IDataView scored = model.Transform(named);
        float[][] expected = Fitted.Scores(MLContext, MLContext.Transforms.DropColumns("PredictedLabel").Fit(scored).Transform(scored));
        float[][] actual = Fitted.Scores(MLContext, Scored(path, named));
        Assert.IsLessThan(0.02, expected.Zip(actual, (one, other) => one.Zip(other, (a, b) => Math.Abs(a - b)).Max()).Average());
    }

    /// <summary>Images that have been scored before, with the label behind the scores: beside two Scores it has another place.</summary>
    [TestMethod]
    public void TheLabelIsFoundWhereverItStands()
    {
        IDataView data = Hard(120);
        using SharpnessAwareImageClassificationTransformer model = Train(data);
        IDataView scored = MLContext.Transforms.CopyColumns("Key", "Label").Fit(model.Transform(data)).Transform(model.Transform(data));
        using var folder = new TemporaryFolder();

        OnnxQuantizationReport report = model.SaveOnnx(
            folder.File("int8.onnx"), Int8(scored) with { QuantizationLabelColumnName = "Key" })!;

        AssertEqual(MLContext.MulticlassClassification.EvaluateCalibration(model.Transform(data)), report.Before!);
    }

    [TestMethod]
    public void AChainThatMapsLabelsTakesImagesWithoutThem()
    {
        IDataView named = MLContext.Data.LoadFromEnumerable(HardRows(60));
        using var model = MLContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(Fitted.QuickOptions())).Fit(named);
        IDataView images = MLContext.Transforms.SelectColumns("Image").Fit(named).Transform(named);
        using var folder = new TemporaryFolder();

        OnnxQuantizationReport report = model.SaveOnnx(
            folder.File("int8.onnx"), Int8(images) with { QuantizationLabelColumnName = null })!;

        Assert.IsNull(report.Before);
        Assert.IsTrue(File.Exists(folder.File("int8.onnx")));
    }

    [TestMethod]
    public void DecisionsAreKeptWithAWarning()
    {
        IDataView data = Hard(120);
        using SharpnessAwareImageClassificationTransformer trained = Train(data);
        ITransformer careful = trained.Append(MLContext.MulticlassClassification.Decisions.Abstain(0.6, 0.5).Fit(trained.Transform(data)));
        using var folder = new TemporaryFolder();
        List<string> warnings = [];
        MLContext.Log += Listen;

        careful.SaveOnnx(folder.File("int8.onnx"), Int8(data));
        MLContext.Log -= Listen;

        Assert.Contains(text => text.Contains("fit them on the scores of the quantised file", StringComparison.Ordinal), warnings);
        using var session = new InferenceSession(folder.File("int8.onnx"));
        CollectionAssert.Contains(session.OutputMetadata.Keys.ToArray(), "Accepted");

        void Listen(object? sender, LoggingEventArgs e)
        {
            lock (warnings)
                warnings.Add(e.Message);
        }
    }

    [TestMethod]
    public void FloatPixelsAndImagesWithoutLabelsWill()
    {
        IDataView data = Fitted.View(MLContext, Shapes.Floats(60));
        using SharpnessAwareImageClassificationTransformer model = Train(data);
        using var folder = new TemporaryFolder();
        string path = folder.File("int8.onnx");
        IDataView images = MLContext.Transforms.SelectColumns("Image").Fit(data).Transform(data);

        OnnxQuantizationReport report = model.SaveOnnx(path, Int8(images) with { QuantizationLabelColumnName = null })!;

        Assert.IsNull(report.Before);
        Assert.IsNull(report.After);
        Assert.IsGreaterThanOrEqualTo(0.95, Same(model.Transform(data), Scored(path, data)));
    }

    [TestMethod]
    public void RangesAreOfAllImagesAndNotOfTheLast()
    {
        IDataView data = Fitted.View(MLContext, Shapes.Pixels(60));
        using SharpnessAwareImageClassificationTransformer model = Train(data);
        using var folder = new TemporaryFolder();
        string path = folder.File("int8.onnx");
        int batch = model.Classifier.BatchSize;
        IDataView images = MLContext.Data.LoadFromEnumerable(Shapes.Pixels(batch)
            .Concat(Enumerable.Range(0, batch).Select(_ => new PixelRow { Image = new byte[Shapes.Size * Shapes.Size] })).ToArray());

        model.SaveOnnx(path, Int8(images) with { QuantizationLabelColumnName = null });

        Assert.IsGreaterThanOrEqualTo(0.95, Same(model.Transform(data), Scored(path, data)));
    }

    [TestMethod]
    [DataRow(99)]
    [DataRow(100)]
    public void FewImagesAreWarnedOfAndTheFileSaysWhatItIs(int count)
    {
        IDataView data = Hard(count);
        using SharpnessAwareImageClassificationTransformer model = Train(data);
        using var folder = new TemporaryFolder();
        List<string> warnings = [];
        MLContext.Log += Listen;

        model.SaveOnnx(folder.File("int8.onnx"), Int8(data));
        MLContext.Log -= Listen;

        bool isWarned = warnings.Any(text => text.Contains($"The model is quantised with {count} images", StringComparison.Ordinal));
        Assert.AreEqual(count < 100, isWarned);
        using var session = new InferenceSession(folder.File("int8.onnx"));
        Assert.AreEqual("int8", session.ModelMetadata.CustomMetadataMap["quantization"]);

        void Listen(object? sender, LoggingEventArgs e)
        {
            lock (warnings)
                warnings.Add(e.Message);
        }
    }

    [TestMethod]
    public void PicturesAreDecodedAndResizedAsInTraining()
    {
        IDataView data = Fitted.View(MLContext, Shapes.Encoded(60));
        using SharpnessAwareImageClassificationTransformer model = Train(data, NetworkArchitecture.ResNet8, side: 16);
        using var folder = new TemporaryFolder();
        string path = folder.File("int8.onnx");

        model.SaveOnnx(path, Int8(data));

        Assert.IsGreaterThanOrEqualTo(0.95, Same(model.Transform(data), Scored(path, data)));
    }

    [TestMethod]
    public void WhatCannotBeIsRefusedBeforeAnythingIsWritten()
    {
        IDataView data = Hard(30);
        using SharpnessAwareImageClassificationTransformer model = Train(data);
        using var folder = new TemporaryFolder();
        string path = folder.File("int8.onnx");

        Refused<ArgumentException>("QuantizationSet", new OnnxExportOptions { Quantize = OnnxQuantization.Int8 });
        Refused<NotSupportedException>("opset 13", Int8(data) with { OpsetVersion = 12 });
        Refused<ArgumentOutOfRangeException>("None or Int8", Int8(data) with { Quantize = (OnnxQuantization)7 });
        Refused<ArgumentException>("no images", Int8(MLContext.Data.SkipRows(data, 30)));
        Refused<ArgumentOutOfRangeException>("Image", Int8(MLContext.Transforms.DropColumns("Image").Fit(data).Transform(data)));
        Refused<ArgumentOutOfRangeException>("Label", Int8(MLContext.Transforms.DropColumns("Label").Fit(data).Transform(data)));
        Refused<ArgumentOutOfRangeException>("12", Int8(Fitted.View(MLContext, Enumerable.Range(0, 6)
            .Select(i => new WideRow { Label = Shapes.Names[i % 3], Image = new byte[20 * 20] }))));
        Refused<ArgumentOutOfRangeException>("'another'", Int8(Fitted.View(MLContext, Shapes.Pixels(6)
            .Select(row => new PixelRow { Label = row.Number == 0 ? "another" : row.Label, Image = row.Image }))));
        Refused<InvalidOperationException>("row 2", Int8(Fitted.View(MLContext, Shapes.Encoded(6)
            .Select((row, i) => new EncodedRow { Label = row.Label, Image = i == 2 ? [1, 2, 3] : row.Image }))));
        Assert.IsEmpty(folder.FileNames());

        void Refused<TException>(string part, OnnxExportOptions options)
            where TException : Exception => Assert.Contains(part, Assert.Throws<TException>(() => model.SaveOnnx(path, options)).Message);
    }

    private static OnnxExportOptions Int8(IDataView images) => new() { Quantize = OnnxQuantization.Int8, QuantizationSet = images };

    private static SharpnessAwareImageClassificationTransformer Train(
        IDataView data, string architecture = NetworkArchitecture.ResNet8, int? side = null, int epochs = 0) =>
        Fitted.Model(MLContext, data, options =>
        {
            options.Arch = architecture;
            options.Epoch = epochs > 0 ? epochs : architecture == NetworkArchitecture.ResNet8 ? 2 : 1;
            options.ImageWidth = side;
        });

    /// <summary>Shapes of which a quarter has another label, so that no model is sure.</summary>
    private static IDataView Hard(int count) => Fitted.View(MLContext, HardRows(count));

    private static List<PixelRow> HardRows(int count)
    {
        List<PixelRow> rows = Shapes.Pixels(count, seed: 20);
        foreach (PixelRow row in rows.Where((_, i) => i % 4 == 0))
            row.Label = Shapes.Names[(row.Number + 1) % 3];
        return rows;
    }

    private static IDataView Scored(string path, IDataView data) =>
        MLContext.Transforms.ScoreOnnxImageClassifier(path).Fit(data).Transform(data);

    private static double Same(IDataView one, IDataView other) =>
        one.GetColumn<uint>("PredictedLabel").Zip(other.GetColumn<uint>("PredictedLabel"), (a, b) => a == b ? 1.0 : 0).Average();

    private static double CrossEntropy(float[][] wanted, float[][] found, double temperature) => wanted.Zip(found, (p, q) =>
    {
        float[] tempered = new float[q.Length];
        TemperatureScaling.Apply(q, temperature, tempered);
        return p.Zip(tempered, (a, b) => -a * Math.Log(b)).Sum();
    }).Average();

    private static void AssertSame(float[][] expected, float[][] actual, float tolerance, string message = "")
    {
        Assert.HasCount(expected.Length, actual);
        for (int row = 0; row < expected.Length; row++)
        {
            Assert.HasCount(expected[row].Length, actual[row]);
            for (int k = 0; k < expected[row].Length; k++)
                Assert.AreEqual(expected[row][k], actual[row][k], tolerance, $"{message} row {row}");
        }
    }

    private static void AssertEqual(MulticlassCalibrationMetrics expected, MulticlassCalibrationMetrics actual)
    {
        Assert.AreEqual(expected.Accuracy, actual.Accuracy, 0.011);
        Assert.AreEqual(expected.LogLoss, actual.LogLoss, 1e-3);
        Assert.AreEqual(expected.BrierScore, actual.BrierScore, 1e-3);
    }

    private static long Size(string path) => new FileInfo(path).Length;

    private sealed class WideRow
    {
        public string Label { get; set; } = "";

        [VectorType(1, 20, 20)]
        public byte[] Image { get; set; } = [];
    }
}
