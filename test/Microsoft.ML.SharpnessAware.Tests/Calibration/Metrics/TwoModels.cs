namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Two models on the same rows, and what their differences must keep.</summary>
internal static class TwoModels
{
    private const int Samples = 200;

    /// <summary>The probability of the second of two classes, as two models see it with noise of their own; a sees more of the truth by the
    /// advantage.</summary>
    public static (float[] A, float[] B, bool[] Labels) Draw(int seed, int rows, double advantage, double shift = 0)
    {
        Random random = new(seed);
        (float[] a, float[] b, bool[] labels) = (new float[rows], new float[rows], new bool[rows]);
        for (int row = 0; row < rows; row++)
        {
            double truth = shift + 4 * (random.NextDouble() - .5);
            labels[row] = random.NextDouble() < 1 / (1 + Math.Exp(-truth));
            (a[row], b[row]) = (Seen(truth, 1 - advantage), Seen(truth, 1));
        }

        return (a, b, labels);

        float Seen(double truth, double noise) => (float)(1 / (1 + Math.Exp(-truth - 2 * noise * (random.NextDouble() - .5))));
    }

    public static (BinaryCalibrationMetrics A, BinaryCalibrationMetrics B) Binary(
        int seed, int rows, double advantage, double shift = 0)
    {
        (float[] a, float[] b, bool[] labels) = Draw(seed, rows, advantage, shift);
        return (CalibrationMetrics.ComputeBinary(a, labels), CalibrationMetrics.ComputeBinary(b, labels));
    }

    /// <summary>The same as a model of two classes.</summary>
    public static (MulticlassCalibrationMetrics A, MulticlassCalibrationMetrics B) OfTwoClasses(int seed, int rows, double advantage)
    {
        (float[] a, float[] b, bool[] labels) = Draw(seed, rows, advantage);
        return (Of(a), Of(b));

        MulticlassCalibrationMetrics Of(float[] second) => CalibrationMetrics.Compute(
            [.. second.SelectMany(value => new[] { 1 - value, value })], [.. labels.Select(label => label ? 1 : 0)], 2);
    }

    /// <summary>A model of three classes with the same confidence in every row.</summary>
    public static MulticlassCalibrationMetrics Constant(float confidence, bool[] right) => CalibrationMetrics.Compute(
        [.. right.SelectMany(_ => new[] { confidence, (1 - confidence) / 2, (1 - confidence) / 2 })],
        [.. right.Select(isRight => isRight ? 0 : 1)], 3);

    /// <summary>Each difference is that of the metrics, and within its interval.</summary>
    public static void AssertAreDifferences(params IEnumerable<(double Expected, ConfidenceInterval Interval)> differences)
    {
        foreach ((double expected, ConfidenceInterval interval) in differences)
        {
            Assert.AreEqual(expected, interval.Estimate, 1e-6);
            Assert.IsLessThanOrEqualTo(interval.Estimate, interval.Lower);
            Assert.IsGreaterThanOrEqualTo(interval.Estimate, interval.Upper);
        }
    }

    /// <summary>For models of equal worth the intervals hold 0 in about 95 % of the samples.</summary>
    /// <param name="ofSample">The intervals for the sample of that number.</param>
    public static void AssertHoldZero(Func<int, ConfidenceInterval[]> ofSample)
    {
        int[]? held = null;
        for (int sample = 0; sample < Samples; sample++)
        {
            ConfidenceInterval[] intervals = ofSample(sample);
            held ??= new int[intervals.Length];
            for (int number = 0; number < held.Length; number++)
                held[number] += intervals[number].Lower <= 0 && intervals[number].Upper >= 0 ? 1 : 0;
        }

        for (int number = 0; number < held!.Length; number++)
            Assert.IsGreaterThanOrEqualTo(Samples * 90 / 100, held[number], $"number {number}");
    }
}
