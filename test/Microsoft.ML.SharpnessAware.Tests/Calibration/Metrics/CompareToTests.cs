using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class CompareToTests
{
    [TestMethod]
    public void DifferencesAreThoseOfTheMetrics()
    {
        (MulticlassCalibrationMetrics a, MulticlassCalibrationMetrics b) = TwoModels.OfTwoClasses(seed: 1, rows: 400, advantage: 0.5);
        CalibrationComparison difference = a.CompareTo(b);
        Assert.AreEqual(400, difference.Count);
        TwoModels.AssertAreDifferences(
            (a.LogLoss - b.LogLoss, difference.LogLoss), (a.BrierScore - b.BrierScore, difference.BrierScore),
            (a.Accuracy - b.Accuracy, difference.Accuracy), (a.MeanConfidence - b.MeanConfidence, difference.MeanConfidence),
            (a.ExpectedCalibrationError - b.ExpectedCalibrationError, difference.ExpectedCalibrationError));

        CalibrationComparison reversed = b.CompareTo(a);
        Assert.AreEqual(-difference.LogLoss.Lower, reversed.LogLoss.Upper, 0.1 * Math.Abs(difference.LogLoss.Lower) + 0.005);
        StringAssert.StartsWith(difference.ToString(), "Differences on 400 rows, with 95% intervals");
    }

    [TestMethod]
    public void AModelDoesNotDifferFromItself()
    {
        (MulticlassCalibrationMetrics a, _) = TwoModels.OfTwoClasses(seed: 2, rows: 300, advantage: 0);
        CalibrationComparison difference = a.CompareTo(a);
        Assert.AreEqual(0.0, difference.LogLoss.Estimate);
        ConfidenceInterval error = difference.ExpectedCalibrationError;
        Assert.AreEqual(new ConfidenceInterval(0, 0, 0), error);
        Assert.IsLessThanOrEqualTo(0, difference.Accuracy.Lower);
        Assert.IsGreaterThanOrEqualTo(0, difference.Accuracy.Upper);
    }

    /// <summary>Two models of equal worth: the intervals hold 0 in about 95 % of the samples.</summary>
    [TestMethod]
    [DataRow(50)]
    [DataRow(1000)]
    public void EqualModelsAreFoundEqualAsOftenAsPromised(int rows)
    {
        TwoModels.AssertHoldZero(sample =>
        {
            (MulticlassCalibrationMetrics a, MulticlassCalibrationMetrics b) = TwoModels.OfTwoClasses(sample, rows, advantage: 0);
            CalibrationComparison difference = a.CompareTo(b, 100, seed: sample);
            return [difference.LogLoss, difference.BrierScore, difference.Accuracy, difference.ExpectedCalibrationError];
        });
    }

    /// <summary>The intervals of the two log losses overlap, and yet one is better for certain: hard rows are hard for both.</summary>
    [TestMethod]
    public void ADifferenceIsFoundWhereTheIntervalsOverlap()
    {
        (MulticlassCalibrationMetrics a, MulticlassCalibrationMetrics b) = TwoModels.OfTwoClasses(seed: 3, rows: 2000, advantage: 0.5);
        Assert.IsGreaterThan(b.Bootstrap().LogLoss.Lower, a.Bootstrap().LogLoss.Upper);
        Assert.IsLessThan(0, a.CompareTo(b).LogLoss.Upper);
    }

    [TestMethod]
    public void ModelsOfOtherNumbersOfClassesAreNotOfTheSameRows()
    {
        MulticlassCalibrationMetrics two = CalibrationMetrics.Compute([.8f, .2f, .3f, .7f], [0, 1], 2);
        MulticlassCalibrationMetrics three = CalibrationMetrics.Compute([.8f, .1f, .1f, .2f, .7f, .1f], [0, 1], 3);
        Assert.IsTrue(two.IsOfTheSameRows(two));
        Assert.IsFalse(two.IsOfTheSameRows(three));
        Assert.IsFalse(two.IsOfTheSameRows(CalibrationMetrics.Compute([.8f, .2f, .3f, .7f], [1, 0], 2)), "other labels");
    }

    /// <summary>Each model has its classes in the order in which its training met them.</summary>
    [TestMethod]
    public void ModelsWithTheirClassesInOtherOrdersAreCompared()
    {
        var mlContext = new MLContext(1);
        string[] keys = ["cat", "dog", "eel"];
        MulticlassCalibrationMetrics a = Of(keys, [.8f, .1f, .1f], [.2f, .7f, .1f], [.3f, .3f, .4f]);
        MulticlassCalibrationMetrics b = Of(["eel", "cat", "dog"], [.2f, .6f, .2f], [.1f, .1f, .8f], [.9f, .1f, 0]);

        CalibrationComparison difference = b.CompareTo(a, 100);

        Assert.AreEqual(b.LogLoss - a.LogLoss, difference.LogLoss.Estimate, 1e-6);
        AssertRefused(Of(["eel", "cat", "fox"], [.2f, .6f, .2f], [.1f, .1f, .8f], [.9f, .1f, 0]));

        MulticlassCalibrationMetrics Of(string[] classes, params float[][] scores) =>
            mlContext.MulticlassClassification.EvaluateCalibration(NamedScores.View(mlContext, classes.Contains("fox") ? classes : keys,
                classes, [.. scores.Select((row, i) => ((uint)i + 1, row))]));
        void AssertRefused(MulticlassCalibrationMetrics other) =>
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => a.CompareTo(other)).Message, "differ");
    }

    /// <summary>All right: Clopper and Pearson's lower end of the accuracy is .025^(1/rows), and the difference there is known, whether
    /// both models are wrong as often or the first one alone.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(20)]
    [DataRow(50)]
    [DataRow(100)]
    public void RowsWithoutAnErrorLeaveRoomForThoseThatDidNotOccur(int rows)
    {
        bool[] right = [.. Enumerable.Repeat(true, rows)];
        ConfidenceInterval interval = TwoModels.Constant(.99f, right).CompareTo(TwoModels.Constant(.9f, right)).ExpectedCalibrationError;
        double accuracy = Math.Pow(.025, 1.0 / rows);
        Assert.AreEqual(-.09, interval.Estimate, 1e-6);
        double expected = Math.Max(Math.Abs(.99 - accuracy) - Math.Abs(.9 - accuracy), Math.Abs(.99 - accuracy) - .1);
        Assert.AreEqual(expected, interval.Upper, .03);
        Assert.IsLessThanOrEqualTo(-.09 + 1e-6, interval.Lower);
        ConfidenceInterval reversed = TwoModels.Constant(.9f, right).CompareTo(TwoModels.Constant(.99f, right)).ExpectedCalibrationError;
        Assert.AreEqual(-interval.Upper, reversed.Lower, .03);
    }

    [TestMethod]
    [DataRow(.92, 20)]
    [DataRow(.92, 50)]
    [DataRow(.92, 100)]
    [DataRow(.98, 20)]
    [DataRow(.98, 50)]
    [DataRow(.98, 100)]
    [DataRow(.98, 1000)]
    public void WhereErrorsAreRareTheIntervalHoldsTheTruthAsOftenAsItSays(double accuracy, int rows)
    {
        const int Draws = 200;
        double truth = Math.Abs(.99 - accuracy) - Math.Abs(.9 - accuracy);
        int held = 0;
        for (int draw = 0; draw < Draws; draw++)
        {
            var random = new Random(draw);
            bool[] right = [.. Enumerable.Range(0, rows).Select(_ => random.NextDouble() < accuracy)];
            ConfidenceInterval interval = TwoModels.Constant(.99f, right)
                .CompareTo(TwoModels.Constant(.9f, right), 100, seed: draw).ExpectedCalibrationError;
            held += interval.Lower <= truth && truth <= interval.Upper ? 1 : 0;
        }

        Assert.IsGreaterThan(1e-3, BinomialTail.AtMost(held, Draws, .95), $"{held} of {Draws}");
    }

    /// <summary>With many errors an interval is about as wide as the differences vary.</summary>
    [TestMethod]
    public void WhereErrorsAreManyTheIntervalIsNoWiderThanDifferencesVary()
    {
        const int Draws = 100;
        ConfidenceInterval[] intervals = [.. Enumerable.Range(0, Draws).Select(draw =>
        {
            (MulticlassCalibrationMetrics a, MulticlassCalibrationMetrics b) = TwoModels.OfTwoClasses(draw, rows: 1000, advantage: 0);
            return a.CompareTo(b, 200).ExpectedCalibrationError;
        })];
        double mean = intervals.Average(one => one.Estimate);
        double deviation = Math.Sqrt(intervals.Sum(one => Math.Pow(one.Estimate - mean, 2)) / (Draws - 1));
        Assert.AreEqual(1.15, intervals.Average(one => one.Upper - one.Lower) / (2 * 1.96 * deviation), .3);
    }

    /// <summary>Of rows of one class in a row, which are left cannot be told from their labels.</summary>
    [TestMethod]
    [DataRow(ScoreKind.Probabilities)]
    [DataRow(ScoreKind.Logits)]
    public void RowsThatAreLeftOutAreTheSameInBothOrTheyAreRefused(ScoreKind kind)
    {
        MulticlassCalibrationMetrics all = Without(), first = Without(0), later = Without(7), two = Without(0, 7);
        AssertRefused(first, later);
        AssertRefused(later, first);
        Assert.IsFalse(first.IsOfTheSameRows(later));
        Assert.AreEqual(0.0, first.CompareTo(Without(0), 100).LogLoss.Estimate);
        Assert.AreEqual(0.0, two.CompareTo(Without(7, 0), 100).LogLoss.Estimate);
        AssertRefused(first.PerGroup[0].Metrics, later.PerGroup[0].Metrics);
        AssertRefused(two.PerGroup[0].Metrics, Without(1, 2).PerGroup[0].Metrics);
        Assert.AreEqual(0.0, first.PerGroup[1].Metrics.CompareTo(Without(0).PerGroup[1].Metrics, 100).LogLoss.Estimate);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => all.CompareTo(first)).Message, "of 20 rows");

        if (kind == ScoreKind.Probabilities)
        {
            float[] scores = [.. Enumerable.Range(0, 20).SelectMany(row => Row(row))];
            int[] labels = [.. Enumerable.Range(0, 20).Select(row => row / 10)];
            Assert.AreEqual(0.0, all.CompareTo(CalibrationMetrics.Compute(scores, labels, 2), 100).LogLoss.Estimate);
        }

        MulticlassCalibrationMetrics Without(params int[] rows)
        {
            var mlContext = new MLContext(1);
            Scored[] view =
            [
                .. Enumerable.Range(0, 20).Select(row => new Scored
                {
                    Label = row < 10 ? 0u : 1u, Score = rows.Contains(row) ? [float.NaN, float.NaN] : Row(row),
                    Half = row % 10 < 8 ? "a" : "b",
                }),
            ];
            return mlContext.MulticlassClassification.EvaluateCalibration(mlContext.Data.LoadFromEnumerable(view), scoreKind: kind,
                groupColumnName: "Half");
        }

        static float[] Row(int row) => [.02f * (row + 1), 1 - .02f * (row + 1)];
        static void AssertRefused(MulticlassCalibrationMetrics one, MulticlassCalibrationMetrics other) =>
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => one.CompareTo(other)).Message, "other rows were left out");
    }

    private sealed class Scored
    {
        [KeyType(2)]
        public uint Label { get; set; }

        [VectorType(2)]
        public float[] Score { get; set; } = [];

        public string Half { get; set; } = "";
    }

    [TestMethod]
    public void OtherRowsAreRefused()
    {
        MulticlassCalibrationMetrics a = CalibrationMetrics.Compute([.8f, .2f, .3f, .7f], [0, 1], 2);
        AssertRefused("of 2 rows of 2 classes, and the others of 1 of 2", CalibrationMetrics.Compute([.8f, .2f], [0], 2));
        AssertRefused("another order", CalibrationMetrics.Compute([.3f, .7f, .8f, .2f], [1, 0], 2));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => a.CompareTo(a, numberOfResamples: 10));

        void AssertRefused(string problem, MulticlassCalibrationMetrics other) =>
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => a.CompareTo(other)).Message, problem);
    }
}
