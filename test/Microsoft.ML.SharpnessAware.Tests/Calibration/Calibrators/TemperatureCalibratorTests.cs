using CsCheck;
using static Microsoft.ML.SharpnessAware.Tests.Calibration.CalibratorFits;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class TemperatureCalibratorTests
{
    /// <summary>Of ten rows (.8, .2) seven are right: confidence .7 has the odds 7/3, so 4^(1/T) = 7/3.</summary>
    [TestMethod]
    public void TenRowsByHand()
    {
        ScoredRows rows = ScoredRows.Of(2, [.. Enumerable.Range(0, 10).Select(i => (i < 7 ? 0 : 1, new[] { .8f, .2f }))]);
        TemperatureCalibrator calibrator = Fit(rows);
        Assert.AreEqual(Math.Log(4) / Math.Log(7 / 3.0), calibrator.Temperature, 1e-6);
        Assert.AreEqual(.7f, rows.After(calibrator)[0][0], 1e-6f);
    }

    /// <summary>Nine right rows (.8, .2): the smoothed target is .9 + .1 · .8 = .98, so 4^(1/T) = 49.</summary>
    [TestMethod]
    public void RowsThatAreAllRightByHand()
    {
        ScoredRows rows = ScoredRows.Of(2, [.. Enumerable.Repeat((0, new[] { .8f, .2f }), 9)]);
        TemperatureCalibrator calibrator = Fit(rows);
        Assert.AreEqual(Math.Log(4) / Math.Log(49), calibrator.Temperature, 1e-6);
        Assert.AreEqual(.98f, rows.After(calibrator)[0][0], 1e-6f);
    }

    [TestMethod]
    [DataRow("overconfident")]
    [DataRow("underconfident")]
    public void ReferenceTemperatureIsFound(string name)
    {
        CalibrationReference reference = CalibrationReference.Load(name);
        TemperatureCalibrator calibrator = Fit(new ScoredRows(reference.Scores, reference.Labels, reference.NumberOfClasses));
        Assert.AreEqual(reference["temperature"], calibrator.Temperature, 1e-5);
    }

    [TestMethod]
    public void TemperatureIsTheMinimumUnlessEveryRowIsRight() => (
        from rows in ScoredRows.Random.Where(rows => !rows.ForFit().AreAllRight)
        from other in Gen.Double[-2, 2]
        select (rows, other: Math.Pow(10, other))).Sample(test =>
    {
        double fitted = Uncapped(test.rows, Fit(test.rows).Temperature);
        foreach (double temperature in new[] { test.other, 1, Fit(test.rows).Temperature * 1.001, Fit(test.rows).Temperature / 1.001 })
            Assert.IsLessThanOrEqualTo(Uncapped(test.rows, Math.Clamp(temperature, 0.01, 100)) + Tolerance, fitted);
    }, iter: 100);

    [TestMethod]
    public void ThePredictedClassNeverChanges() => ScoredRows.Random.Sample(rows =>
    {
        TemperatureCalibrator calibrator = Fit(rows);
        for (int row = 0; row < rows.Count; row++)
        {
            float[] before = rows.Row(row), after = rows.After(calibrator)[row];
            Assert.AreEqual(Array.IndexOf(before, before.Max()), Array.IndexOf(after, after.Max()));
        }
    }, iter: 60);

    [TestMethod]
    public void AKnownTemperatureIsRecovered()
    {
        double[,] weights = { { .5, 0, 0 }, { 0, .5, 0 }, { 0, 0, .5 } };
        Assert.AreEqual(2, Fit(ScoredRows.Drawn(20_000, weights, [0, 0, 0])).Temperature, 0.06);
    }

    // The fit takes logarithms in float32: of -100, four millionths.
    private const double Tolerance = 1e-5;

    private static TemperatureCalibrator Fit(ScoredRows rows) =>
        Fit<TemperatureCalibrator>(Context.MulticlassClassification.Calibrators.Temperature(), rows);

    /// <summary>The log loss with ln 0 replaced by that of the smallest float32, as the fit does, and no cap.</summary>
    private static double Uncapped(ScoredRows rows, double temperature) => rows.Labels.Select((label, row) =>
    {
        double[] p = ScoredRows.Softmax([.. rows.Row(row).Select(value => Math.Log(Math.Max(value, float.Epsilon)) / temperature)]);
        return -Math.Log(p[label]);
    }).Average();
}
