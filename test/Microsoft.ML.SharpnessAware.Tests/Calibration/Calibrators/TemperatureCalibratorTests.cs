using CsCheck;
using static Microsoft.ML.SharpnessAware.Tests.Calibration.CalibratorFits;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class TemperatureCalibratorTests
{
    /// <summary>Of nine rows (.8, .2) six are right; with half a row (.8, .2) and half a row (.5, .5), 6.65 of 10: 4^(1/T) = 6.65/3.35.</summary>
    [TestMethod]
    public void NineRowsByHand()
    {
        ScoredRows rows = ScoredRows.Of(2, [.. Enumerable.Range(0, 9).Select(i => (i < 6 ? 0 : 1, new[] { .8f, .2f }))]);
        TemperatureCalibrator calibrator = Fit(rows);
        Assert.AreEqual(Math.Log(4) / Math.Log(6.65 / 3.35), calibrator.Temperature, 1e-6);
        Assert.AreEqual(.665, rows.After(calibrator)[0][0], 1e-6f);
    }

    /// <summary>Nine right rows (.8, .2) and half a row each of (.8, .2) and (.5, .5): 9.65 of 10, so 4^(1/T) = 9.65/.35.</summary>
    [TestMethod]
    public void RowsThatAreAllRightByHand()
    {
        ScoredRows rows = ScoredRows.Of(2, [.. Enumerable.Repeat((0, new[] { .8f, .2f }), 9)]);
        TemperatureCalibrator calibrator = Fit(rows);
        Assert.AreEqual(Math.Log(4) / Math.Log(9.65 / .35), calibrator.Temperature, 1e-6);
        Assert.AreEqual(.965, rows.After(calibrator)[0][0], 1e-6f);
    }

    /// <summary>Nine right rows (.99, .01) support .9745: less than the model claims, and no reason to take it away from it.</summary>
    [TestMethod]
    public void RowsThatAreAllRightDoNotLowerConfidence() =>
        Assert.AreEqual(1.0, Fit(ScoredRows.Of(2, [.. Enumerable.Repeat((0, new[] { .99f, .01f }), 9)])).Temperature);

    [TestMethod]
    [DataRow("overconfident")]
    [DataRow("underconfident")]
    public void ReferenceTemperatureIsFoundButForOneRow(string name)
    {
        CalibrationReference reference = CalibrationReference.Load(name);
        TemperatureCalibrator calibrator = Fit(new ScoredRows(reference.Scores, reference.Labels, reference.NumberOfClasses));
        Assert.AreEqual(reference["temperature"], calibrator.Temperature, 2.0 / reference.Labels.Length);
        Assert.AreNotEqual(reference["temperature"], calibrator.Temperature, 1e-5);
    }

    [TestMethod]
    public void TemperatureIsTheMinimumOfTheSmoothedLogLossAndNeverWorseThanOne() => (
        from rows in ScoredRows.Random
        from other in Gen.Double[-2, 2]
        select (rows, other: Math.Pow(10, other))).Sample(test =>
    {
        double fitted = Fit(test.rows).Temperature;
        Assert.IsLessThanOrEqualTo(Uncapped(test.rows, 1) + Tolerance, Uncapped(test.rows, fitted));
        if (fitted == 1)
            return;     // also where the minimum of the smoothed log loss does not lower that of the rows
        foreach (double temperature in new[] { test.other, 1, fitted * 1.001, fitted / 1.001 })
            Assert.IsLessThanOrEqualTo(Smoothed(test.rows, Math.Clamp(temperature, 0.01, 100)) + Tolerance, Smoothed(test.rows, fitted));
    }, iter: 100);

    /// <summary>34 right rows (.9, .1) and one that is wrong by a hair: of 36 rows .3 are a doubt, where the log loss alone leaves next to none.</summary>
    [TestMethod]
    public void OneRowThatIsAlmostRightDoesNotMakeTheOthersCertain()
    {
        ScoredRows rows = ScoredRows.Of(2, [.. Enumerable.Repeat((0, new[] { .9f, .1f }), 34), (1, [.5001f, .4999f])]);
        double alone = TemperatureScaling.Fit(rows.ForFit().Logarithms(), rows.Labels, 2);
        Assert.IsLessThan(1e-4, Math.Pow(9, -1 / alone));
        Assert.AreEqual(1 - .3 / 36, rows.After(Fit(rows))[0][0], 1e-3);
    }

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
    private static double Uncapped(ScoredRows rows, double temperature) =>
        -rows.Labels.Select((label, row) => Logarithms(rows.Row(row), temperature)[label]).Average();

    /// <summary>The same with one row more, half of it the rows' own probabilities, half with all classes alike.</summary>
    private static double Smoothed(ScoredRows rows, double temperature)
    {
        float[][] scores = [.. Enumerable.Range(0, rows.Count).Select(rows.Row)];
        double own = -scores.Average(row => Logarithms(row, 1).Zip(Logarithms(row, temperature), (q, p) => Math.Exp(q) * p).Sum());
        double alike = -scores.Average(row => Logarithms(row, temperature).Average());
        return (rows.Count * Uncapped(rows, temperature) + own / 2 + alike / 2) / (rows.Count + 1);
    }

    private static double[] Logarithms(float[] row, double temperature)
    {
        double[] z = [.. row.Select(value => Math.Log(Math.Max(value, float.Epsilon)) / temperature)];
        double largest = z.Max();
        double sum = largest + Math.Log(z.Sum(value => Math.Exp(value - largest)));
        return [.. z.Select(value => value - sum)];
    }
}
