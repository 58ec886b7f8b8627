namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class CompareToTests
{
    [TestMethod]
    public void DifferencesAreThoseOfTheMetrics()
    {
        (MulticlassCalibrationMetrics a, MulticlassCalibrationMetrics b) = Models(seed: 1, rows: 400, advantage: 0.5);
        CalibrationComparison difference = a.CompareTo(b);
        Assert.AreEqual(400, difference.Count);
        foreach ((double expected, ConfidenceInterval interval) in new[]
        {
            (a.LogLoss - b.LogLoss, difference.LogLoss), (a.BrierScore - b.BrierScore, difference.BrierScore),
            (a.Accuracy - b.Accuracy, difference.Accuracy), (a.MeanConfidence - b.MeanConfidence, difference.MeanConfidence),
            (a.ExpectedCalibrationError - b.ExpectedCalibrationError, difference.ExpectedCalibrationError),
        })
        {
            Assert.AreEqual(expected, interval.Estimate, 1e-6);
            Assert.IsLessThanOrEqualTo(interval.Estimate, interval.Lower);
            Assert.IsGreaterThanOrEqualTo(interval.Estimate, interval.Upper);
        }

        CalibrationComparison reversed = b.CompareTo(a);
        Assert.AreEqual(-difference.LogLoss.Lower, reversed.LogLoss.Upper, 0.1 * Math.Abs(difference.LogLoss.Lower) + 0.005);
        StringAssert.StartsWith(difference.ToString(), "Differences on 400 rows, with 95% intervals");
    }

    [TestMethod]
    public void AModelDoesNotDifferFromItself()
    {
        (MulticlassCalibrationMetrics a, _) = Models(seed: 2, rows: 300, advantage: 0);
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
        const int Samples = 200;
        int[] held = new int[4];
        for (int sample = 0; sample < Samples; sample++)
        {
            (MulticlassCalibrationMetrics a, MulticlassCalibrationMetrics b) = Models(sample, rows, advantage: 0);
            CalibrationComparison difference = a.CompareTo(b, 100, seed: sample);
            Count(0, difference.LogLoss);
            Count(1, difference.BrierScore);
            Count(2, difference.Accuracy);
            Count(3, difference.ExpectedCalibrationError);
        }

        for (int number = 0; number < held.Length; number++)
            Assert.IsGreaterThanOrEqualTo(Samples * 90 / 100, held[number], $"number {number}");

        void Count(int number, ConfidenceInterval interval) => held[number] += interval.Lower <= 0 && interval.Upper >= 0 ? 1 : 0;
    }

    /// <summary>The intervals of the two log losses overlap, and yet one is better for certain: hard rows are hard for both.</summary>
    [TestMethod]
    public void ADifferenceIsFoundWhereTheIntervalsOverlap()
    {
        (MulticlassCalibrationMetrics a, MulticlassCalibrationMetrics b) = Models(seed: 3, rows: 2000, advantage: 0.5);
        Assert.IsGreaterThan(b.Bootstrap().LogLoss.Lower, a.Bootstrap().LogLoss.Upper);
        Assert.IsLessThan(0, a.CompareTo(b).LogLoss.Upper);
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

    /// <summary>Two models that see the same rows with noise of their own; a sees more of the truth by the advantage.</summary>
    private static (MulticlassCalibrationMetrics A, MulticlassCalibrationMetrics B) Models(int seed, int rows, double advantage)
    {
        Random random = new(seed);
        float[] a = new float[2 * rows], b = new float[2 * rows];
        int[] labels = new int[rows];
        for (int row = 0; row < rows; row++)
        {
            double truth = 4 * (random.NextDouble() - 0.5);
            labels[row] = random.NextDouble() < 1 / (1 + Math.Exp(-truth)) ? 1 : 0;
            Set(a, row, truth + (1 - advantage) * Noise());
            Set(b, row, truth + Noise());
        }

        return (CalibrationMetrics.Compute(a, labels, 2), CalibrationMetrics.Compute(b, labels, 2));

        double Noise() => 2 * (random.NextDouble() - 0.5);

        static void Set(float[] scores, int row, double logit)
        {
            scores[2 * row + 1] = (float)(1 / (1 + Math.Exp(-logit)));
            scores[2 * row] = 1 - scores[2 * row + 1];
        }
    }
}
