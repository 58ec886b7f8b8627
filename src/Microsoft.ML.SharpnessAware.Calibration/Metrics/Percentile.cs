namespace Microsoft.ML.SharpnessAware;

/// <summary>Percentiles of drawn values.</summary>
internal static class Percentile
{
    /// <summary>The value below which the share <paramref name="probability"/> of the sorted values lies, interpolated.</summary>
    public static double Of(ReadOnlySpan<double> sorted, double probability)
    {
        double position = probability * (sorted.Length - 1);
        int below = (int)position;
        int above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
    }

    /// <summary>The interval between the percentiles that leave out the same share at both ends.</summary>
    public static ConfidenceInterval Interval(double estimate, double[] values, double confidenceLevel)
    {
        Array.Sort(values);
        double tail = (1 - confidenceLevel) / 2;
        return new ConfidenceInterval(estimate, Of(values, tail), Of(values, 1 - tail));
    }
}
