using System.Globalization;
using System.Text;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A reliability diagram (DeGroot and Fienberg 1983): accuracy against confidence in bins, which have equal width on [0, 1] or hold
/// equally many rows. Of a binary model, and of one class of several, it is the share of positive rows, or of the class, against the
/// probability. Bars on the diagonal mean that a confidence of 80 % is right in 80 % of the cases; bars below it mean
/// overconfidence, bars above it underconfidence.
/// </summary>
public sealed class ReliabilityDiagram
{
    private readonly ReliabilityBin[] _occupied;

    /// <param name="bins">The bins, in ascending order.</param>
    /// <param name="kind">What confidence and accuracy are.</param>
    internal ReliabilityDiagram(IReadOnlyList<ReliabilityBin> bins, DiagramKind kind = DiagramKind.Predictions)
    {
        Bins = bins;
        Kind = kind;
        _occupied = [.. bins.Where(bin => bin.Count > 0)];
        Count = bins.Sum(bin => bin.Count);
    }

    /// <summary>The bins in ascending order of confidence, empty ones included. An empty bin has a count of 0 and NaN for its
    /// means.</summary>
    public IReadOnlyList<ReliabilityBin> Bins { get; }

    /// <summary>The number of rows in all bins.</summary>
    public long Count { get; }

    /// <summary>The share of rows that were predicted correctly; of a binary model the share of positive rows, and of one class (<see
    /// cref="ClassCalibration.ReliabilityDiagram"/>) the share of its rows.</summary>
    public double Accuracy => _occupied.Sum(bin => bin.Count * bin.Accuracy) / Count;

    /// <summary>The mean confidence of all rows; of a binary model the mean probability of the positive class, of one class the mean of
    /// its probability.</summary>
    public double MeanConfidence => _occupied.Sum(bin => bin.Count * bin.MeanConfidence) / Count;

    /// <summary>Expected calibration error (ECE) of these bins: Σ_b n_b/N · |accuracy_b − confidence_b|. Naeini et al. 2015; Guo et al.
    /// 2017, equation 3.</summary>
    public double ExpectedCalibrationError => _occupied.Sum(bin => bin.Count * Math.Abs(bin.Accuracy - bin.MeanConfidence)) / Count;

    internal DiagramKind Kind { get; }

    /// <summary>Whether confidence is the probability of one class, and accuracy the share of its rows.</summary>
    internal bool IsOfProbability => Kind != DiagramKind.Predictions;

    internal double ExpectedOverconfidence => _occupied.Sum(bin => bin.Count * Math.Max(0, bin.Gap)) / Count;

    internal double ExpectedUnderconfidence => _occupied.Sum(bin => bin.Count * Math.Max(0, -bin.Gap)) / Count;

    internal double MaximumCalibrationError => _occupied.Max(bin => Math.Abs(bin.Gap));

    internal double RootMeanSquareCalibrationError => Math.Sqrt(_occupied.Sum(bin => bin.Count * bin.Gap * bin.Gap) / Count);

    internal double DebiasedRootMeanSquareCalibrationError =>
        Math.Sqrt(Math.Max(0, _occupied.Sum(bin => bin.Count * DebiasedSquaredGap(bin)) / Count));

    /// <summary>The bins as a table of text with one line for each bin that has rows, in invariant culture.</summary>
    public override string ToString()
    {
        StringBuilder text = new(Kind switch
        {
            DiagramKind.Predictions => "Confidence            Rows  Mean conf.   Accuracy        Gap",
            DiagramKind.Positives => "Probability           Rows  Mean prob.   Positive        Gap",
            _ => "Probability           Rows  Mean prob.   Of class        Gap",
        });
        foreach (ReliabilityBin bin in _occupied)
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
}
