using System.Text.RegularExpressions;

namespace Microsoft.ML.SharpnessAware.Tests.Docs;

/// <summary>The example that docs/calibration.md works by hand, and its code.</summary>
[TestClass]
public sealed class CalibrationPageTests
{
    private readonly MulticlassCalibrationMetrics _metrics = CalibrationMetrics.Compute(
        [
            .90f, .05f, .05f,
            .85f, .10f, .05f,
            .10f, .70f, .20f,
            .25f, .65f, .10f,
            .30f, .20f, .50f,
            .20f, .35f, .45f,
            .05f, .05f, .90f,
            .15f, .75f, .10f,
        ],
        [0, 1, 1, 0, 2, 1, 2, 1], numberOfClasses: 3, numberOfBins: 5);

    [TestMethod]
    public void TheExampleWorkedByHandIsWhatTheLibraryComputes()
    {
        Assert.AreEqual(0.625, _metrics.Accuracy, 1e-7);
        Assert.AreEqual(0.7125, _metrics.MeanConfidence, 1e-7);
        Assert.AreEqual(0.1, _metrics.ExpectedCalibrationError, 1e-7);
        Assert.AreEqual(0.75 / 8, _metrics.ExpectedOverconfidence, 1e-7);
        Assert.AreEqual(0.05 / 8, _metrics.ExpectedUnderconfidence, 1e-7);
        Assert.AreEqual(0.65 / 3, _metrics.MaximumCalibrationError, 1e-7);
        Assert.AreEqual(Math.Sqrt((2 * 0.025 * 0.025 + 0.1 * 0.1 / 3 + 0.65 * 0.65 / 3) / 8), _metrics.RootMeanSquareCalibrationError,
            1e-7);
        Assert.AreEqual(0, _metrics.DebiasedRootMeanSquareCalibrationError);
        Assert.AreEqual(0.48, _metrics.BrierScore, 1e-7);
        Assert.AreEqual(0.786, _metrics.LogLoss, 5e-4);
    }

    [TestMethod]
    public void SoIsItsRejectionCurve()
    {
        AccuracyRejectionCurve curve = _metrics.AccuracyRejectionCurve;
        Assert.AreEqual((1.0 / 3 + 1.0 / 4 + 1.0 / 5 + 1.0 / 3 + 2.0 / 7 + 3.0 / 8) / 8, curve.AreaUnderRiskCoverageCurve, 1e-12);
        Assert.AreEqual(5.0 / 8, curve.CoverageAt(0.75));
        Assert.AreEqual(0.70, curve.ThresholdAt(0.75), 1e-7);
    }

    private static readonly string[] Blocks = PageProgram.Blocks("calibration.md");

    public static IEnumerable<object[]> Places => Enumerable.Range(0, Blocks.Length).Select(i => new object[] { i });

    [TestMethod]
    public void ThePageHasItsPrograms() => Assert.HasCount(12, Blocks);

    /// <summary>Each block with what a reader has when he comes to it: a model, data, metrics of two models.</summary>
    [TestMethod]
    [DynamicData(nameof(Places))]
    public void TheProgramRuns(int place)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("scores.csv"), """
            ImagePath,Label,Score.cat,Score.dog
            cat/1.jpg,cat,0.9,0.1
            dog/1.jpg,dog,0.2,0.8
            """);
        string block = Regex.Replace(
            Blocks[place], "\"([a-z]+\\.(png|svg|html|csv))\"", match => $"@\"{folder.File(match.Groups[1].Value)}\"");
        bool isBinary = block.Contains("BinaryClassification", StringComparison.Ordinal);
        string usings = "using Microsoft.ML;\nusing Microsoft.ML.Data;\nusing Microsoft.ML.SharpnessAware;\nusing static "
            + (isBinary ? "Binary;\n" : "Several;\n");
        string output = PageProgram.Run($"calibration-{place}", usings + block.Replace("using Microsoft.ML;", "", StringComparison.Ordinal)
            .Replace("using Microsoft.ML.SharpnessAware;", "", StringComparison.Ordinal), Prelude);
        Assert.DoesNotContain("NaN", output);
        foreach (Match file in Regex.Matches(Blocks[place], "\"([a-z]+\\.(png|svg|html|csv))\""))
            Assert.IsTrue(File.Exists(folder.File(file.Groups[1].Value)), file.Groups[1].Value);
    }

    private const string Prelude = """
        using Microsoft.ML;
        using Microsoft.ML.Data;
        using Microsoft.ML.SharpnessAware;

        static class Several
        {
            public static readonly MLContext mlContext = new(1);
            public static readonly IDataView all = mlContext.Transforms.Conversion.MapValueToKey("Label").Fit(Point.View(mlContext))
                .Transform(Point.View(mlContext));
            public static readonly IDataView trainingData = mlContext.Data.TakeRows(all, 300);
            public static readonly IDataView validationData = mlContext.Data.TakeRows(mlContext.Data.SkipRows(all, 300), 300);
            public static readonly IDataView testData = mlContext.Data.SkipRows(all, 600);
            public static readonly ITransformer model = mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy().Fit(trainingData);
            public static readonly ITransformer other = mlContext.MulticlassClassification.Trainers.SdcaMaximumEntropy().Fit(trainingData);
            public static readonly IDataView scored = model.Transform(testData), scoredByA = scored, scoredByB = other.Transform(testData);
            public static readonly IDataView scoredByLightGbm = scoredByA, scoredByCsam = scoredByB;
            public static readonly MulticlassCalibrationMetrics a = mlContext.MulticlassClassification.EvaluateCalibration(scoredByA);
            public static readonly MulticlassCalibrationMetrics b = mlContext.MulticlassClassification.EvaluateCalibration(scoredByB);
            public static readonly MulticlassCalibrationMetrics metrics = a, metricsOfA = a, metricsOfB = b;
            public static readonly MulticlassCalibratorsCatalog calibrators = mlContext.MulticlassClassification.Calibrators;
        }

        static class Binary
        {
            public static readonly MLContext mlContext = new(1);
            public static readonly IDataView all = mlContext.Transforms.CopyColumns("Label", "IsFirst").Fit(Point.View(mlContext))
                .Transform(Point.View(mlContext));
            public static readonly IDataView testData = mlContext.Data.SkipRows(all, 600);
            public static readonly ITransformer model = mlContext.BinaryClassification.Trainers.LbfgsLogisticRegression()
                .Fit(mlContext.Data.TakeRows(all, 600));
            public static readonly IDataView scored = model.Transform(testData);
        }

        class Point
        {
            public string Label { get; set; } = "";
            public bool IsFirst => Label == "a";
            [VectorType(2)] public float[] Features { get; set; } = [];
            public string Camera { get; set; } = "";
            public string Hospital => Camera;
            public int Patient { get; set; }
            [VectorType(1, 2, 2)] public byte[] Image { get; set; } = [1, 2, 3, 4];

            public static IDataView View(MLContext mlContext)
            {
                var random = new Random(1);
                return mlContext.Data.LoadFromEnumerable(Enumerable.Range(0, 900).Select(i => new Point
                {
                    Label = "abc".Substring(i % 3, 1), Features = [i % 3 + 2 * random.NextSingle(), random.NextSingle()],
                    Camera = i % 2 == 0 ? "left" : "right", Patient = i / 6,
                }).ToArray());
            }
        }
        """;
}
