using Microsoft.ML.Data;
using static Microsoft.ML.SharpnessAware.Tests.Calibration.CalibratorFits;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Logits many times too large, as those of a naive Bayes model whose features say the same: of their softmax float32 keeps only
/// 0 and 1.</summary>
[TestClass]
public sealed class LargeLogitsTests
{
    private const int Rows = 20_000;

    [TestMethod]
    [DataRow(3)]
    [DataRow(10)]
    [DataRow(20)]
    [DataRow(50)]
    [DataRow(100)]
    public void TheTemperatureIsHowManyTimesTheLogitsAreTooLarge(int factor)
    {
        (IDataView logits, double[] truth) = Drawn(factor);
        MulticlassCalibratorTransformer calibrator =
            Context.MulticlassClassification.Calibrators.Temperature(scoreKind: ScoreKind.Logits).Fit(logits);
        Assert.AreEqual(factor, ((TemperatureCalibrator)calibrator.Calibrator).Temperature, 0.05 * factor);
        AssertTruth(calibrator.Transform(logits), truth, "temperature");
    }

    [TestMethod]
    public void EveryCalibratorOfLogarithmsSeesTheWholeOfThem()
    {
        (IDataView logits, double[] truth) = Drawn(20);
        MulticlassCalibratorsCatalog calibrators = Context.MulticlassClassification.Calibrators;
        foreach (MulticlassCalibratorEstimator estimator in new[]
        {
            calibrators.Vector(scoreKind: ScoreKind.Logits), calibrators.Dirichlet(scoreKind: ScoreKind.Logits),
            calibrators.StructuredMatrix(scoreKind: ScoreKind.Logits),
        })
        {
            MulticlassCalibratorTransformer calibrator = estimator.Fit(logits);
            AssertTruth(calibrator.Transform(logits), truth, $"{estimator}");

            using MemoryStream stream = new();
            Context.Model.Save(calibrator, logits.Schema, stream);
            ITransformer loaded = new MLContext(1).Model.Load(stream, out _);
            AssertTruth(loaded.Transform(logits), truth, $"{estimator}, loaded");
        }
    }

    /// <summary>What was fitted on probabilities of float32 is applied to them, whatever the logits say beyond.</summary>
    [TestMethod]
    [DataRow(3f)]
    [DataRow(50f)]
    [DataRow(2000f)]
    public void ACalibratorOfAnEarlierFileGivesWhatItGave(float logit)
    {
        float[] probabilities = new float[2], expected = new float[2], actual = new float[2];
        Softmax.Apply([logit, 0], 1, probabilities);
        foreach (MulticlassCalibrator calibrator in new MulticlassCalibrator[]
        {
            new TemperatureCalibrator(2, 4), new VectorCalibrator([.2, .3], [.1, -.1]), new DirichletCalibrator([.3, .1, 0, .2], [.1, 0]),
        })
        {
            calibrator.Apply(probabilities, ScoreKind.Probabilities, expected);
            calibrator.Apply([logit, 0], ScoreKind.Logits, actual);
            Assert.AreEqual(expected[0], actual[0], 1e-6f);
            Assert.AreEqual(expected[1], actual[1], 1e-6f);
        }
    }

    /// <summary>ML.NET's naive Bayes gives −∞ to a class that the training rows did not have; networks mask one by large numbers.</summary>
    [TestMethod]
    [DataRow(float.NegativeInfinity)]
    [DataRow(float.MinValue)]
    [DataRow(-1e9f)]
    [DataRow(-1e4f)]
    public void AClassThatTheModelCallsImpossibleDoesNotDecideTheTemperature(float impossible)
    {
        (uint, float[])[] rows = [.. Enumerable.Range(0, 1000).Select(i => (i % 10 == 0 ? 2u : 1u, new[] { 4.4f, 0, impossible }))];
        double without = Temperature(rows);
        double with = Temperature([.. rows, (3u, [4.4f, 0, impossible])]);
        Assert.AreEqual(2, without, .05);
        Assert.AreEqual(without, with, .2);

        static double Temperature((uint, float[])[] rows) => ((TemperatureCalibrator)Context.MulticlassClassification.Calibrators
            .Temperature(scoreKind: ScoreKind.Logits).Fit(NamedScores.View(Context, 3, 3, rows)).Calibrator).Temperature;
    }

    /// <summary>Probabilities have rounded, whatever the calibrator was fitted on.</summary>
    [TestMethod]
    public void ProbabilitiesAreReadAsSuchByACalibratorOfLogits()
    {
        MulticlassCalibrator ofLogits = Context.MulticlassClassification.Calibrators.Temperature(scoreKind: ScoreKind.Logits)
            .Fit(Drawn(50).Logits).Calibrator;
        var ofProbabilities = new TemperatureCalibrator(2, ((TemperatureCalibrator)ofLogits).Temperature);
        float[] expected = new float[2], actual = new float[2];
        ofProbabilities.Calibrate([1, 0], expected);
        ofLogits.Calibrate([1, 0], actual);
        CollectionAssert.AreEqual(expected, actual);
    }

    private static void AssertTruth(IDataView calibrated, double[] truth, string what)
    {
        float[] actual = [.. calibrated.GetColumn<float[]>("Score").Select(row => row[0])];
        Assert.IsLessThan(.02, truth.Zip(actual, (expected, found) => Math.Abs(expected - found)).Average(), what);
        Assert.IsGreaterThan(.99f, actual.Max(), what);
        Assert.IsGreaterThan(Rows * 9 / 10, actual.Distinct().Count(), what);
    }

    /// <summary>Two classes whose true log-odds are normal with standard deviation 1.5.</summary>
    private static (IDataView Logits, double[] Truth) Drawn(int factor)
    {
        var random = new Random(5);
        double[] logOdds = [.. Enumerable.Range(0, Rows).Select(_ =>
            1.5 * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()))];
        double[] truth = [.. logOdds.Select(value => 1 / (1 + Math.Exp(-value)))];
        return (NamedScores.View(Context, 2, 2, [.. logOdds.Select((value, row) =>
            (random.NextDouble() < truth[row] ? 1u : 2u, new[] { (float)(factor * value) + row % 7, row % 7 }))]), truth);
    }
}
