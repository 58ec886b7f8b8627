using CsCheck;
using static Microsoft.ML.SharpnessAware.Tests.Calibration.CalibratorFits;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class VectorCalibratorTests
{
    [TestMethod]
    public void GradientIsThatOfFiniteDifferences() => (
        from rows in ScoredRows.Random
        from point in Gen.Double[-1, 2].Array[2 * rows.Classes]
        select (rows, point)).Sample(test =>
            AssertGradient(new VectorObjective(new SmoothedLogLoss(test.rows.ForFit()), 10, 0.7).Evaluate, test.point), iter: 40);

    [TestMethod]
    public void KnownScalesAndBiasesAreRecovered()
    {
        double[,] weights = { { .5, 0, 0 }, { 0, 1, 0 }, { 0, 0, .8 } };
        VectorCalibrator calibrator = Fit(ScoredRows.Drawn(30_000, weights, [.4, 0, -.4]));
        AssertClose([.5, 1, .8], calibrator.Scale, 0.06);
        AssertClose([.4, 0, -.4], calibrator.Bias, 0.06);
    }

    [TestMethod]
    public void ApplyByHand()
    {
        // (.2, .8) with scales 2 and 1 and biases ln 3 and 0: .04 · 3 to .8.
        float[] row = [.2f, .8f];
        new VectorCalibrator([2, 1], [Math.Log(3), 0]).Calibrate(row, row);
        Assert.AreEqual(.12f / .92f, row[0], 1e-7f);
        Assert.AreEqual(.8f / .92f, row[1], 1e-7f);
    }

    /// <summary>All rows are equal and the scales want no change, so without ridge the mean target is matched: 30 of 100 and one row of
    /// ½.</summary>
    [TestMethod]
    public void WithoutRidgeTheCountsAreMatched()
    {
        ScoredRows rows = ScoredRows.Of(2, [.. Enumerable.Range(0, 100).Select(i => (i < 30 ? 0 : 1, new[] { .5f, .5f }))]);
        VectorCalibrator free = Fit(rows, ridge: 0), held = Fit(rows), heldMore = Fit(rows, ridge: 1000);
        Assert.AreEqual(30.5f / 101, rows.After(free)[0][0], 1e-4f);
        Assert.IsTrue(rows.After(free)[0][0] < rows.After(held)[0][0] && rows.After(held)[0][0] < rows.After(heldMore)[0][0]);
        Assert.AreEqual(0, held.Bias.Sum(), 1e-6);
    }

    [TestMethod]
    public void ItChangesThePredictedClassWhereBiasesSaySo()
    {
        ScoredRows rows = ScoredRows.Of(2, [.. Enumerable.Range(0, 200).Select(i => (i % 4 == 0 ? 0 : 1, new[] { .55f, .45f }))]);
        Assert.IsGreaterThan(.6f, rows.After(Fit(rows))[0][1]);
    }

    [TestMethod]
    public void TheRidgeIsChecked()
    {
        foreach (double ridge in new[] { -1, double.NaN, double.PositiveInfinity })
            Assert.AreEqual("ridge", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => Context.MulticlassClassification.Calibrators.Vector(ridge: ridge)).ParamName);
    }

    private static VectorCalibrator Fit(ScoredRows rows, double ridge = 1) =>
        Fit<VectorCalibrator>(Context.MulticlassClassification.Calibrators.Vector(ridge: ridge), rows);
}
