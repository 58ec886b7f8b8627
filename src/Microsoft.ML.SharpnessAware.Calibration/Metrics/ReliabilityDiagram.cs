using System.Globalization;
using System.Text;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A reliability diagram (DeGroot and Fienberg 1983): accuracy against confidence in bins, which have equal width on [0, 1] or hold
/// equally many rows. Bars on the diagonal mean that a confidence of 80 % is right in 80 % of the cases; bars below it mean
/// overconfidence, bars above it underconfidence.
/// </summary>
public sealed class ReliabilityDiagram
{
    internal ReliabilityDiagram(IReadOnlyList<ReliabilityBin> bins)
    {
        Bins = bins;
        Count = bins.Sum(bin => bin.Count);
        Accuracy = Average(bin => bin.Accuracy);
        MeanConfidence = Average(bin => bin.MeanConfidence);
        ExpectedOverconfidence = Average(bin => Math.Max(0, bin.Gap));
        ExpectedUnderconfidence = Average(bin => Math.Max(0, -bin.Gap));
        ExpectedCalibrationError = ExpectedOverconfidence + ExpectedUnderconfidence;
        RootMeanSquareCalibrationError = Math.Sqrt(Average(bin => bin.Gap * bin.Gap));
        DebiasedRootMeanSquareCalibrationError = Math.Sqrt(Math.Max(0, Average(DebiasedSquaredGap)));
        MaximumCalibrationError = bins.Where(bin => bin.Count > 0).Max(bin => Math.Abs(bin.Gap));
    }

    /// <summary>The bins in ascending order of confidence, empty ones included. An empty bin has a count of 0 and NaN for its
    /// means.</summary>
    public IReadOnlyList<ReliabilityBin> Bins { get; }

    /// <summary>The number of rows in all bins.</summary>
    public long Count { get; }

    /// <summary>The share of rows that were predicted correctly.</summary>
    public double Accuracy { get; }

    /// <summary>The mean confidence of all rows.</summary>
    public double MeanConfidence { get; }

    /// <summary>The expected calibration error of these bins; see <see
    /// cref="MulticlassCalibrationMetrics.ExpectedCalibrationError"/>.</summary>
    public double ExpectedCalibrationError { get; }

    internal double ExpectedOverconfidence { get; }

    internal double ExpectedUnderconfidence { get; }

    internal double MaximumCalibrationError { get; }

    internal double RootMeanSquareCalibrationError { get; }

    internal double DebiasedRootMeanSquareCalibrationError { get; }

    /// <summary>The bins as a table of text with one line for each bin that has rows, in invariant culture.</summary>
    public override string ToString()
    {
        StringBuilder text = new("Confidence            Rows  Mean conf.   Accuracy        Gap");
        foreach (ReliabilityBin bin in Bins.Where(bin => bin.Count > 0))
            text.AppendLine().Append(CultureInfo.InvariantCulture,
                $"({bin.LowerBound:F3}, {bin.UpperBound:F3}] {bin.Count,10:N0}  "
                + $"{bin.MeanConfidence,10:P2} {bin.Accuracy,10:P2} {bin.Gap,10:+0.00 %;-0.00 %}");
        return text.ToString();
    }

    /// <summary>
    /// An unbiased estimate of the bin's squared gap: the squared gap of a sample is too large by the variance of its accuracy. That
    /// variance cannot be estimated from a single row; such a bin counts as calibrated, as in the authors' code.
    /// </summary>
    private static double DebiasedSquaredGap(ReliabilityBin bin)
        => bin.Count == 1 ? 0 : bin.Gap * bin.Gap - bin.Accuracy * (1 - bin.Accuracy) / (bin.Count - 1);

    private double Average(Func<ReliabilityBin, double> value)
        => Bins.Where(bin => bin.Count > 0).Sum(bin => bin.Count * value(bin)) / Count;
}
