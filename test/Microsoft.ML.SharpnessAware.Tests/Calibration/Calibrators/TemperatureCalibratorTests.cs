using CsCheck;
using MathNet.Numerics;
using static Microsoft.ML.SharpnessAware.Tests.Calibration.CalibratorFits;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class TemperatureCalibratorTests
{
    /// <summary>With gap g = ln 4 the slope of the loss of nine rows (.8, .2), r of them right, is g (9 p − r) in β, that of the prior
    /// w (1 − 1/β).</summary>
    [TestMethod]
    [DataRow(6)]
    [DataRow(9)]
    public void NineRowsByHand(int right)
    {
        ScoredRows rows = ScoredRows.Of(2, [.. Enumerable.Range(0, 9).Select(i => (i < right ? 0 : 1, new[] { .8f, .2f }))]);
        double beta = 1 / Fit(rows).Temperature, p = 1 / (1 + Math.Pow(4, -beta));
        Assert.AreEqual(0, Math.Log(4) * (9 * p - right) + TemperaturePrior.Default.Weight * (1 - 1 / beta), 1e-5);
        Assert.AreEqual(right == 9, beta > 1);
        Assert.AreEqual(p, rows.After(Fit(rows))[0][0], 1e-6f);
    }

    /// <summary>45 right rows (.9, .1), 5 wrong ones, and one row (1, 0) that is wrong: T was 100, ECE .02 → .40.</summary>
    [TestMethod]
    [DataRow(0f)]
    [DataRow(1e-30f)]
    [DataRow(1e-7f)]
    public void AHardZeroDoesNotRuinTheTemperature(float zero)
    {
        ScoredRows rows = HardZero(.9f, 45, 5, zero);
        double temperature = Fit(rows).Temperature;
        Assert.IsTrue(temperature is > 1.5 and < 2, $"{temperature}");
        Assert.IsLessThan(.2, CalibrationMetrics.Compute([.. rows.After(Fit(rows)).SelectMany(row => row)], rows.Labels, 2)
            .ExpectedCalibrationError);
    }

    /// <summary>99 right rows (.8, .2), a wrong one, and (1, 0) wrong: T was 1, though a lower one fits; with .6 it was 100.</summary>
    [TestMethod]
    public void AHardZeroDoesNotTurnTheDirection()
    {
        ScoredRows rows = HardZero(.8f, 99, 1, 0);
        Assert.IsLessThan(.85, Fit(rows).Temperature);
        Assert.IsLessThan(.5, rows.LogLoss(Fit(rows)));
        Assert.AreEqual(1.1, Fit(HardZero(.6f, 99, 1, 0)).Temperature, .1);
    }

    [TestMethod]
    [DataRow("overconfident")]
    [DataRow("underconfident")]
    public void ReferenceTemperatureIsFoundButForThePrior(string name)
    {
        CalibrationReference reference = CalibrationReference.Load(name);
        TemperatureCalibrator calibrator = Fit(new ScoredRows(reference.Scores, reference.Labels, reference.NumberOfClasses));
        Assert.AreEqual(reference["temperature"], calibrator.Temperature, 0.06 * reference["temperature"]);
        Assert.IsTrue((calibrator.Temperature - 1) / (reference["temperature"] - 1) is > 0.9 and < 1);
    }

    [TestMethod]
    public void TemperatureIsTheMinimumOfTheDocumentedLossAndNeverWorseThanOne() => (
        from rows in ScoredRows.Random
        from other in Gen.Double[-2, 2]
        select (rows, other: Math.Pow(10, other))).Sample(test =>
    {
        double fitted = Fit(test.rows).Temperature;
        Assert.IsLessThanOrEqualTo(LogLoss(test.rows, 1) + Tolerance, LogLoss(test.rows, fitted));
        if (fitted == 1)
            return;     // also where a cross-fit shows harm
        foreach (double temperature in new[] { test.other, 1, fitted * 1.001, fitted / 1.001 })
            Assert.IsLessThanOrEqualTo(Penalised(test.rows, Math.Clamp(temperature, 0.01, 100)) + Tolerance, Penalised(test.rows, fitted));
    }, iter: 100);

    /// <summary>34 right rows (.9, .1) and one that is wrong by a hair: the log loss alone leaves the others next to no doubt.</summary>
    [TestMethod]
    public void OneRowThatIsAlmostRightDoesNotMakeTheOthersCertain()
    {
        ScoredRows rows = ScoredRows.Of(2, [.. Enumerable.Repeat((0, new[] { .9f, .1f }), 34), (1, [.5001f, .4999f])]);
        double alone = LeastLogLossTemperature.Fit(rows.ForFit().Logarithms(), rows.Labels, 2);
        Assert.IsLessThan(1e-4, Math.Pow(9, -1 / alone));
        Assert.IsTrue(rows.After(Fit(rows))[0][0] is > .95f and < .99f);
    }

    /// <summary>Rows that are calibrated but for one: the temperature that this one asks for is wrong for the others.</summary>
    [TestMethod]
    public void ATemperatureThatACrossFitShowsToDoHarmIsLeftOut()
    {
        ScoredRows rows = HardZero(.98f, 98, 2, 0);
        TemperaturePrior prior = TemperaturePrior.Default;
        Assert.IsGreaterThan(1.2, Fitted(prior with { HarmDeviations = double.PositiveInfinity }));
        Assert.AreEqual(1.0, Fitted(prior with { HarmDeviations = 0 }));

        // The mean harm is 0.965 of its standard errors.
        Assert.AreEqual(1.0, Fitted(prior with { HarmDeviations = .9 }));
        Assert.IsGreaterThan(1.2, Fitted(prior with { HarmDeviations = 1.05 }));

        double Fitted(TemperaturePrior prior) => TemperatureScaling.FitWithPrior(rows.ForFit().Logarithms(), rows.Labels, 2, prior);
    }

    [TestMethod]
    public void ChanceAloneLeavesATemperatureOutInOneCaseOfTwenty() =>
        Assert.AreEqual(.05, SpecialFunctions.Erfc(TemperaturePrior.Default.HarmDeviations / Math.Sqrt(2)) / 2, 1e-4);

    [TestMethod]
    public void HardRowsHaveATemperature()
    {
        float[][] shapes = [[.7f, .3f], [1, 0], [.5f, .5f], [.999f, .001f]];
        foreach (float[] row in shapes)
        {
            foreach (int count in new[] { 1, 2, 30, 3000 })
            {
                foreach (int label in new[] { 0, 1 })
                {
                    TemperatureCalibrator calibrator = Fit(ScoredRows.Of(2, [.. Enumerable.Repeat((label, row), count)]));
                    Assert.IsTrue(calibrator.Temperature is >= 0.01 and <= 100, $"{calibrator.Temperature}");
                    if (count <= 2)
                        Assert.IsTrue(calibrator.Temperature is > 0.3 and < 10,
                            $"{count} rows of {row[0]}, class {label}: {calibrator.Temperature}");
                }
            }
        }
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

    /// <summary>The loss that is documented: probabilities count as at least 2⁻²² / K.</summary>
    private static double LogLoss(ScoredRows rows, double temperature) =>
        -rows.Labels.Select((label, row) => Logarithms(rows.Row(row), temperature)[label]).Average();

    private static double Penalised(ScoredRows rows, double temperature) =>
        LogLoss(rows, temperature) + TemperaturePrior.Default.Weight * (1 / temperature - 1 + Math.Log(temperature)) / rows.Count;

    private static ScoredRows HardZero(float confidence, int right, int wrong, float zero) => ScoredRows.Of(2,
        [.. Enumerable.Range(0, right + wrong).Select(i => (i < right ? 0 : 1, new[] { confidence, 1 - confidence })),
            (1, [1 - zero, zero])]);

    private static double[] Logarithms(float[] row, double temperature)
    {
        double[] z = [.. row.Select(value => Math.Log(Math.Max(value, Math.Pow(2, -22) / row.Length)) / temperature)];
        double largest = z.Max();
        double sum = largest + Math.Log(z.Sum(value => Math.Exp(value - largest)));
        return [.. z.Select(value => value - sum)];
    }
}
