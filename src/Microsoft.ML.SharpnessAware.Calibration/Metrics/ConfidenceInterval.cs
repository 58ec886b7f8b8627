namespace Microsoft.ML.SharpnessAware;

/// <summary>A number that was estimated from a sample of rows, and the range in which its value for all rows of this kind is to be
/// expected.</summary>
/// <param name="Estimate">The number as measured on the rows.</param>
/// <param name="Lower">The lower end of the range.</param>
/// <param name="Upper">The upper end of the range.</param>
public sealed record ConfidenceInterval(double Estimate, double Lower, double Upper)
{
    /// <summary>The numbers as "0.0421 [0.0310, 0.0498]", in invariant culture.</summary>
    public override string ToString() => Invariant($"{Estimate:F4} [{Lower:F4}, {Upper:F4}]");
}
