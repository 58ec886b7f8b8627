namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>10th percentile, median and 90th percentile of what was measured.</summary>
internal readonly record struct Sample(double P10, double Median, double P90)
{
    public static Sample Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return new(At(0.1), At(0.5), At(0.9));

        double At(double probability) => sorted[(int)Math.Round(probability * (sorted.Length - 1))];
    }

    public string Text(string format = "F2") => $"{Median.ToString(format)} ({P10.ToString(format)} to {P90.ToString(format)})";
}
