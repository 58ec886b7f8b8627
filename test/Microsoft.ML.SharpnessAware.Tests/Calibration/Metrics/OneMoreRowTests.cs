using System.Runtime.Intrinsics;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>The best and the worst row that could have come.</summary>
[TestClass]
public sealed class OneMoreRowTests
{
    /// <summary>One row (.8, .1, .1): the best has a label of .8, the worst one of .1.</summary>
    [TestMethod]
    public void ThreeClassesByHand()
    {
        (Vector256<double> best, Vector256<double> worst) = CalibrationMetrics.Compute([.8f, .1f, .1f], [0], 3).OneMore;
        AssertRow(best, confidence: 1 / 3.0, logLoss: -Math.Log(.8), brierScore: .2 * .2 + 2 * .1 * .1, entropy: 0);
        AssertRow(worst, confidence: 1, logLoss: -Math.Log(.1), brierScore: .8 * .8 + .9 * .9 + .1 * .1, entropy: Math.Log(3));
    }

    /// <summary>One row of .8, whose Brier score counts one class.</summary>
    [TestMethod]
    public void ABinaryModelByHand()
    {
        (Vector256<double> best, Vector256<double> worst) = CalibrationMetrics.ComputeBinary([.8f], [true]).OneMore;
        AssertRow(best, confidence: 0, logLoss: -Math.Log(.8), brierScore: .2 * .2, entropy: 0);
        AssertRow(worst, confidence: 1, logLoss: -Math.Log(.2), brierScore: .8 * .8, entropy: Math.Log(2));
    }

    /// <summary>Two rows of certainty, and two of ½: of those alone an error can be expected.</summary>
    [TestMethod]
    public void ABinaryModelThatIsCertainOfSomeRowsExpectsErrorsOfTheOthers()
    {
        BinaryCalibrationMetrics metrics = CalibrationMetrics.ComputeBinary([0, 1, .5f, .5f], [false, true, true, false]);
        Assert.AreEqual(Math.Log(2), metrics.OneMore.Worst[RowNumber.LogLoss], 1e-6);
        Assert.IsTrue(double.IsFinite(metrics.Bootstrap(100).LogLoss.Upper));
    }

    /// <summary>Beside a probability of 1 the others are what rounding left; no row is lost by more than a probability of 1e-15.</summary>
    [TestMethod]
    public void WhatRoundingLeavesBesideCertaintyMakesNoRowCostMoreThanItCan()
    {
        float[] scores = [.. Enumerable.Range(0, 1000).SelectMany(i => i == 0 ? new[] { .9999f, .0001f, 0 } : [1f, 1e-6f, 1e-6f])];
        Assert.IsLessThan(35.0, CalibrationMetrics.Compute(scores, new int[1000], 3).OneMore.Worst[RowNumber.LogLoss]);
    }

    /// <summary>One bin mixes rows of any confidence; what one row more could cost does not depend on that.</summary>
    [TestMethod]
    public void BinsDoNotDecideWhatARowMoreCouldCost()
    {
        float[] scores = [.. Enumerable.Range(0, 20).SelectMany(i => i < 10 ? new[] { .999f, .001f, 0 } : [.4f, .3f, .3f])];
        CalibrationIntervals one = CalibrationMetrics.Compute(scores, new int[20], 3, 1).Bootstrap();
        CalibrationIntervals many = CalibrationMetrics.Compute(scores, new int[20], 3, 15).Bootstrap();
        Assert.AreEqual(many.LogLoss.Upper, one.LogLoss.Upper, .05 * many.LogLoss.Upper);
        Assert.AreEqual(many.BrierScore.Upper, one.BrierScore.Upper, .05 * many.BrierScore.Upper);
    }

    private static void AssertRow(Vector256<double> actual, double confidence, double logLoss, double brierScore, double entropy)
    {
        Vector256<double> expected = OutcomeCell.Row(confidence, logLoss, brierScore, entropy);
        for (int number = 0; number < Vector256<double>.Count; number++)
            Assert.AreEqual(expected[number], actual[number], 1e-5, $"number {number}");
    }
}
