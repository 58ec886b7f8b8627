using MathNet.Numerics.Distributions;

namespace MLSharpness.Evidence.Summary;

/// <summary>A mean over seeds with its uncertainty.</summary>
internal sealed record Estimate(double Mean, double StandardError, int Count)
{
    public static Estimate Of(IReadOnlyCollection<double> values)
    {
        double mean = values.Average();
        double error = values.Count < 2 ? double.NaN : Math.Sqrt(
            values.Sum(value => (value - mean) * (value - mean)) / (values.Count - 1) / values.Count);
        return new(mean, error, values.Count);
    }

    /// <summary>Half the width of the 95 % interval by Student's t; not a number for a single seed.</summary>
    public double HalfWidth => Count < 2 ? double.NaN : StudentT.InvCDF(location: 0, scale: 1, freedom: Count - 1, 0.975) * StandardError;

    /// <summary>Whether the 95 % interval excludes 0.</summary>
    public bool IsClear => Math.Abs(Mean) > HalfWidth;

    /// <summary>Mean ± standard error, both times a factor.</summary>
    public string Text(double factor, int decimals) => Count < 2
        ? (factor * Mean).ToString($"F{decimals}")
        : $"{(factor * Mean).ToString($"F{decimals}")} ± {(factor * StandardError).ToString($"F{decimals}")}";

    /// <summary>Mean with the 95 % interval; bold where it excludes 0.</summary>
    public string Difference(double factor, int decimals)
    {
        string number = $"+0.{new string('0', decimals)};−0.{new string('0', decimals)};0.{new string('0', decimals)}";
        if (Count < 2)
            return (factor * Mean).ToString(number);
        string text = $"{(factor * Mean).ToString(number)} [{(factor * (Mean - HalfWidth)).ToString(number)}, " +
            $"{(factor * (Mean + HalfWidth)).ToString(number)}]";
        return IsClear ? $"**{text}**" : text;
    }
}
