using System.Globalization;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class MetricRowTests
{
    private static readonly string[] OfNoBetterEnd = ["Rows", "Mean confidence", "Spiegelhalter's p", "Mean entropy"];

    /// <summary>What a temperature would take away is measured across parts, and may be a little below 0.</summary>
    [TestMethod]
    public void WhatRoundsToZeroHasNoSign()
    {
        MetricRow row = MetricRow.For([CalibrationMetrics.Compute([.8f, .2f], [0], 2)]).Single(each => each.Name == "… from calibration");
        Assert.AreEqual("0.0000", (-2e-5).ToString(row.Format, CultureInfo.InvariantCulture));
        Assert.AreEqual("−0.0200", (-2e-2).ToString(row.Format, CultureInfo.InvariantCulture));
    }

    /// <summary>The other model is wrong in every way: too sure in some bins, too hesitant in others.</summary>
    [TestMethod]
    public void APerfectModelIsTheBestInEveryLineThatHasABetterEnd()
    {
        MulticlassCalibrationMetrics perfect = CalibrationMetrics.Compute([1, 0, 0, 0, 1, 0, 0, 0, 1], [0, 1, 2], 3,
            topKPredictionCount: 2);
        ScoredRows rows = ScoredRows.Confused(200);
        MulticlassCalibrationMetrics other = CalibrationMetrics.Compute(rows.Scores, rows.Labels, 3, topKPredictionCount: 2);
        foreach (MetricRow row in MetricRow.For([perfect, other]))
        {
            if (OfNoBetterEnd.Contains(row.Name))
                Assert.AreEqual(0, row.Best, row.Name);
            else
                Assert.IsGreaterThan(0, row.Best * (row.Value(perfect) - row.Value(other)), row.Name);
        }
    }

    /// <summary>A share of rows that was chosen on them is no promise, and one calibrated model of twenty has a p below 5 %.</summary>
    [TestMethod]
    [DataRow("Kept at 95 %", "Chosen on these rows, it looks better than it is.")]
    [DataRow("Kept at 99 %", "Chosen on these rows, it looks better than it is.")]
    [DataRow("Spiegelhalter's p", "one calibrated model in twenty is below 5 %")]
    public void ALineSaysWhatChanceDoesToIt(string name, string caution) => StringAssert.Contains(
        MetricRow.For([CalibrationMetrics.Compute([.8f, .2f], [0], 2)]).Single(row => row.Name == name).Explanation, caution);

    [TestMethod]
    public void TheIntervalOfALineIsThatOfItsNumber()
    {
        ClassifierCalibrationMetrics[] models = [CalibrationFigureTests.Metrics(), TwoModels.Binary(seed: 1, rows: 100, advantage: 0).A];
        foreach (ClassifierCalibrationMetrics model in models)
        {
            Assert.AreNotEqual(model.ExpectedCalibrationError, model.AdaptiveCalibrationError, 1e-3, "the example");
            foreach (MetricRow row in MetricRow.For([model]).Where(row => row.Interval is not null))
                Assert.AreEqual(row.Value(model), row.Interval!(model.Intervals(100)).Estimate, 1e-9, row.Name);
        }
    }
}
