namespace Microsoft.ML.SharpnessAware;

/// <summary>Percentiles of drawn values.</summary>
internal static class Percentile
{
    /// <summary>The interval of a number between the tails of what was drawn for its two ends, the estimate always inside. Sorts the
    /// draws.</summary>
    public static ConfidenceInterval Interval(double estimate, double[] lower, double[] upper, double confidenceLevel)
    {
        double tail = (1 - confidenceLevel) / 2;
        Array.Sort(lower);
        Array.Sort(upper);
        return new ConfidenceInterval(estimate, Math.Min(estimate, Of(lower, tail)), Math.Max(estimate, Of(upper, 1 - tail)));
    }

    /// <summary>
    /// The value below which another draw lies with this probability, interpolated: the i-th of n sorted values, counted from 1, is that of
    /// i/(n + 1). (Positions within the draws themselves would make intervals a little too narrow.)
    /// </summary>
    public static double Of(ReadOnlySpan<double> sorted, double probability)
    {
        double position = Math.Clamp(probability * (sorted.Length + 1) - 1, 0, sorted.Length - 1);
        int below = (int)position;
        int above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
    }
}
