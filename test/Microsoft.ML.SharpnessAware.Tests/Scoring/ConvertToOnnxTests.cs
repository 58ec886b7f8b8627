using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using Microsoft.ML.SharpnessAware.Tests.Calibration;
using Microsoft.ML.Trainers.LightGbm;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>ML.NET's own conversion of whole pipelines.</summary>
[TestClass]
public sealed partial class ConvertToOnnxTests
{
    private const float Tolerance = 1e-5f;

    private static readonly MLContext MLContext = new(1);

    [TestMethod]
    [DataRow(11)]
    [DataRow(12)]
    public void APipelineOfPixelVectorsGivesWhatTransformGives(int opset)
    {
        IDataView data = MLContext.Data.LoadFromEnumerable(Shapes.Pixels(30));
        var pipeline = MLContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(Fitted.QuickOptions()))
            .Append(MLContext.MulticlassClassification.Calibrators.Vector())
            .Append(MLContext.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
        using var model = pipeline.Fit(data);
        byte[] file = Convert(model, data, opset);

        NamedRow[] expected = [.. MLContext.Data.CreateEnumerable<NamedRow>(model.Transform(data), reuseRowObject: false)];
        byte[] pixels = [.. Shapes.Pixels(30).SelectMany(row => row.Image)];
        AssertSame(
            file, [.. expected.Select(row => row.Score)], [.. expected.Select(row => row.PredictedLabel)],
            NamedOnnxValue.CreateFromTensor("Image", new DenseTensor<byte>(pixels, [30, 1, Shapes.Size, Shapes.Size])),
            Texts("Label", 30), NamedOnnxValue.CreateFromTensor("Number", new DenseTensor<int>(new int[30], [30, 1])));
    }

    [TestMethod]
    public void FloatColumnsMayBeConcatenatedAndKeysStayKeys()
    {
        FlatRow[] rows = [.. Shapes.Pixels(30).Select(row => new FlatRow
        {
            Label = row.Label,
            Upper = [.. row.Image.Take(72).Select(pixel => (float)pixel)],
            Lower = [.. row.Image.Skip(72).Select(pixel => (float)pixel)],
        })];
        IDataView data = MLContext.Data.LoadFromEnumerable(rows);
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        options.ImageWidth = options.ImageHeight = Shapes.Size;
        options.ImageChannels = 1;
        var pipeline = MLContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(MLContext.Transforms.Concatenate("Image", "Upper", "Lower"))
            .Append(MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options));
        using var model = pipeline.Fit(data);

        ScoredRow[] expected = [.. MLContext.Data.CreateEnumerable<ScoredRow>(model.Transform(data), reuseRowObject: false,
            ignoreMissingColumns: true)];
        using var session = new InferenceSession(Convert(model, data, 12));
        using var results = session.Run(
        [
            Texts("Label", 30),
            NamedOnnxValue.CreateFromTensor("Upper", new DenseTensor<float>(rows.SelectMany(row => row.Upper).ToArray(), [30, 72])),
            NamedOnnxValue.CreateFromTensor("Lower", new DenseTensor<float>(rows.SelectMany(row => row.Lower).ToArray(), [30, 72])),
        ]);

        float[] scores = [.. results.Single(result => result.Name == "Score.output").AsEnumerable<float>()];
        uint[] keys = [.. results.Single(result => result.Name == "PredictedLabel.output").AsEnumerable<uint>()];
        for (int i = 0; i < 30; i++)
        {
            for (int k = 0; k < 3; k++)
                Assert.AreEqual(expected[i].Score[k], scores[(i * 3) + k], Tolerance);
            Assert.AreEqual(expected[i].PredictedLabel, keys[i]);
        }
    }

    [TestMethod]
    [EachCalibrator]
    public void CalibratorsBehindAnotherTrainerAreConverted(string calibrator)
    {
        var random = new Random(3);
        PointRow[] rows = [.. Enumerable.Range(0, 600).Select(i => new PointRow
        {
            Label = $"{(i % 3 + (random.Next(4) == 0 ? 1 : 0)) % 3}",
            Features = [(i % 3) + (2 * random.NextSingle()), random.NextSingle()],
        })];
        IDataView data = MLContext.Data.LoadFromEnumerable(rows);
        var pipeline = MLContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(MLContext.MulticlassClassification.Trainers.LightGbm(new LightGbmMulticlassTrainer.Options { NumberOfIterations = 10,
                NumberOfThreads = 1 }))
            .Append(CalibratorFits.Estimator(calibrator, MLContext))
            .Append(MLContext.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
        ITransformer model = pipeline.Fit(data);

        NamedRow[] expected = [.. MLContext.Data.CreateEnumerable<NamedRow>(model.Transform(data), reuseRowObject: false)];
        AssertSame(
            Convert(model, data, 12), [.. expected.Select(row => row.Score)], [.. expected.Select(row => row.PredictedLabel)],
            NamedOnnxValue.CreateFromTensor("Features", new DenseTensor<float>(rows.SelectMany(row => row.Features).ToArray(), [600, 2])),
            Texts("Label", 600));
    }

    /// <summary>Logits many times too large: float32 has no probabilities for them.</summary>
    [TestMethod]
    public void CalibratorsOfLargeLogitsGiveTheSameInTheFile()
    {
        Calibration.ScoredRows rows = Calibration.ScoredRows.Confused(300);
        float[] logits = [.. rows.Scores.Select(p => 20 * MathF.Log(p))];
        IDataView data = (rows with { Scores = logits }).View(MLContext);
        MulticlassCalibratorsCatalog calibrators = MLContext.MulticlassClassification.Calibrators;
        foreach (MulticlassCalibratorEstimator estimator in new[]
        {
            calibrators.Temperature(scoreKind: ScoreKind.Logits), calibrators.Vector(scoreKind: ScoreKind.Logits),
            calibrators.Dirichlet(scoreKind: ScoreKind.Logits),
        })
        {
            ITransformer model = estimator.Fit(data);
            using var session = new InferenceSession(Convert(model, data, 12));
            using var results = session.Run(
            [
                NamedOnnxValue.CreateFromTensor("Label", new DenseTensor<uint>(new uint[300], [300, 1])),
                NamedOnnxValue.CreateFromTensor("Score", new DenseTensor<float>(logits, [300, 3])),
            ]);
            float[] actual = [.. results.Single(result => result.Name == "Score.output").AsEnumerable<float>()];
            float[] expected = [.. model.Transform(data).GetColumn<float[]>("Score").SelectMany(row => row)];
            Assert.HasCount(expected.Length, actual);
            foreach ((float first, float second) in expected.Zip(actual))
                Assert.AreEqual(first, second, Tolerance);
        }
    }

    /// <summary>As Transform has it: such a row stays as it is, and its key is missing.</summary>
    [TestMethod]
    [DataRow("Temperature", ScoreKind.Probabilities)]
    [DataRow("Vector", ScoreKind.Logits)]
    [DataRow("Isotonic", ScoreKind.Probabilities)]
    [DataRow("Dirichlet", ScoreKind.Logits)]
    [DataRow("StructuredMatrix", ScoreKind.Probabilities)]
    public void ARowWhoseScoresAreNotNumbersHasNoPredictedLabel(string calibrator, ScoreKind scoreKind)
    {
        ScoredRows rows = ScoredRows.Confused(300);
        ITransformer model = CalibratorFits.Estimator(calibrator, MLContext, scoreKind).Fit(rows.View(MLContext));
        float[] scores = [.. rows.Scores];
        scores[3] = scores[7] = scores[11] = scores[12] = scores[13] = scores[14] = float.NaN;
        IDataView data = (rows with { Scores = scores }).View(MLContext);

        using var session = new InferenceSession(Convert(model, data, 12));
        using var results = session.Run(
        [
            NamedOnnxValue.CreateFromTensor("Label", new DenseTensor<uint>(new uint[300], [300, 1])),
            NamedOnnxValue.CreateFromTensor("Score", new DenseTensor<float>(scores, [300, 3])),
        ]);

        IDataView expected = model.Transform(data);
        uint[] keys = [.. expected.GetColumn<uint>("PredictedLabel")];
        Assert.AreEqual(4, keys.Count(key => key == 0));
        CollectionAssert.AreEqual(
            keys, results.Single(result => result.Name == "PredictedLabel.output").AsEnumerable<uint>().ToArray());
        foreach ((float one, float other) in expected.GetColumn<float[]>("Score").SelectMany(row => row)
                     .Zip(results.Single(result => result.Name == "Score.output").AsEnumerable<float>()))
            Assert.AreEqual(one, other, Tolerance);
    }

    [TestMethod]
    public void AnImageWhoseScoresAreNotNumbersHasNoPredictedLabel()
    {
        List<FloatRow> rows = Shapes.Floats(30);
        IDataView data = Fitted.View(MLContext, rows);
        using SharpnessAwareImageClassificationTransformer model = Fitted.Model(MLContext, data, options => options.Epoch = 1);
        byte[] file = Convert(model, data, 12);
        Array.Fill(rows[1].Image, 1e38f);
        using var session = new InferenceSession(file);
        using var results = session.Run(
        [
            Texts("Label", 30),
            NamedOnnxValue.CreateFromTensor("Image", new DenseTensor<float>(rows.SelectMany(row => row.Image).ToArray(),
                [30, 1, Shapes.Size, Shapes.Size])),
        ]);
        uint[] keys = [.. results.Single(result => result.Name == "PredictedLabel.output").AsEnumerable<uint>()];
        Assert.AreEqual(0u, keys[1]);
        Assert.AreEqual(1, keys.Count(key => key == 0));
    }

    [TestMethod]
    public void ImagesThatMustBeDecodedAreRefused()
    {
        IDataView data = MLContext.Data.LoadFromEnumerable(Shapes.Encoded(30));
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        options.ImageWidth = options.ImageHeight = Shapes.Size;
        var pipeline = MLContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options))
            .Append(MLContext.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
        using var model = pipeline.Fit(data);
        using var stream = new MemoryStream();

        var e = Assert.Throws<NotSupportedException>(() => MLContext.Model.ConvertToOnnx(model, data, stream));

        Assert.Contains("SaveOnnx", e.Message);
        Assert.Contains("'Image'", e.Message);
        Assert.AreEqual(0, stream.Length);
    }

    [TestMethod]
    public void AnOlderOpsetIsRefused()
    {
        IDataView data = MLContext.Data.LoadFromEnumerable(Shapes.Pixels(30));
        var pipeline = MLContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(Fitted.QuickOptions()));
        using var model = pipeline.Fit(data);

        var e = Assert.Throws<ArgumentOutOfRangeException>(() => Convert(model, data, 10));
        Assert.Contains("11", e.Message);
    }

    private static byte[] Convert(ITransformer model, IDataView data, int opset)
    {
        using var stream = new MemoryStream();
        MLContext.Model.ConvertToOnnx(model, data, opset, stream);
        return stream.ToArray();
    }

    private static NamedOnnxValue Texts(string name, int rows) =>
        NamedOnnxValue.CreateFromTensor(name, new DenseTensor<string>(Enumerable.Repeat("", rows).ToArray(), [rows, 1]));

    private static void AssertSame(byte[] file, float[][] scores, string[] labels, params NamedOnnxValue[] inputs)
    {
        using var session = new InferenceSession(file);
        using var results = session.Run(inputs);
        float[] actual = [.. results.Single(result => result.Name == "Score.output").AsEnumerable<float>()];
        string[] names = [.. results.Single(result => result.Name == "PredictedLabel.output").AsEnumerable<string>()];
        for (int i = 0; i < scores.Length; i++)
        {
            for (int k = 0; k < 3; k++)
                Assert.AreEqual(scores[i][k], actual[(i * 3) + k], Tolerance);
            Assert.AreEqual(labels[i], names[i]);
        }
    }

    private sealed class FlatRow
    {
        public string Label { get; set; } = "";

        [VectorType(72)]
        public float[] Upper { get; set; } = [];

        [VectorType(72)]
        public float[] Lower { get; set; } = [];
    }

    private sealed class PointRow
    {
        public string Label { get; set; } = "";

        [VectorType(2)]
        public float[] Features { get; set; } = [];
    }
}
