using System.Runtime.Intrinsics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// How well a binary model's probability of the positive class matches what happened. N is the number of rows, p a row's probability, y
/// whether the row is positive. From <see cref="BinaryClassificationCatalog"/>.<c>EvaluateCalibration</c> or <see
/// cref="CalibrationMetrics.ComputeBinary"/>.
/// </summary>
/// <remarks>
/// Bins are of the probability p on [0, 1], and a bin's <see cref="ReliabilityBin.Accuracy"/> is the share of its rows that are positive: a
/// diagram of probabilities and not of confidences, so that a model that is wrong about rare positives is seen.
/// </remarks>
public sealed class BinaryCalibrationMetrics : ClassifierCalibrationMetrics
{
    internal BinaryCalibrationMetrics(OutcomeBins bins, ConfidenceRanking sorted, int numberOfBins, long skippedRows,
        MeasuredOutcomes measured)
        : base(bins, sorted, numberOfBins, skippedRows, DiagramKind.Positives, measured)
    {
    }

    /// <summary>The Brier score in Murphy's parts: reliability, resolution, uncertainty.</summary>
    public MurphyDecomposition BrierDecomposition => MurphyDecomposition.Of(ReliabilityDiagram);

    /// <summary>The share of rows that are positive.</summary>
    public double PositiveRate => ReliabilityDiagram.Accuracy;

    /// <summary>The mean probability; best where it equals <see cref="PositiveRate"/>.</summary>
    public double MeanProbability => ReliabilityDiagram.MeanConfidence;

    /// <summary>The metrics of each group of rows, in the order of the groups' values, a missing value last; empty unless a
    /// <c>groupColumnName</c> was given.</summary>
    public IReadOnlyList<BinaryGroupCalibration> PerGroup { get; internal init; } = [];

    /// <summary>Confidence intervals: how much the metrics would vary if the same number of other rows of the same kind had been
    /// measured.</summary>
    /// <param name="numberOfResamples">How often to draw, at least 100.</param>
    /// <param name="confidenceLevel">How often an interval is to contain the true value, in (0, 1). It takes at least 2 / (1 − level) − 1
    /// resamples: 199 for 0.99.</param>
    /// <param name="seed">The same seed gives the same intervals on every machine.</param>
    /// <remarks>Where the metrics were measured with a <c>clusterColumnName</c>, whole clusters are drawn and not rows.</remarks>
    /// <exception cref="ArgumentOutOfRangeException">A parameter is out of its range, or there are fewer resamples than the level
    /// takes.</exception>
    public BinaryCalibrationIntervals Bootstrap(int numberOfResamples = 1000, double confidenceLevel = 0.95, int seed = 0) =>
        new(Intervals(numberOfResamples, confidenceLevel, seed));

    private protected override (Vector256<double> Best, Vector256<double> Worst) FindOneMore(double meanEntropy) =>
        OneMoreRow.OfBinary(Measured, meanEntropy);

    /// <summary>
    /// The differences between this model and another on the same rows, with confidence intervals: is one better than the other, or is it
    /// chance?
    /// </summary>
    /// <param name="other">The metrics of the other model, from the same rows in the same order. Only the labels can tell whether they
    /// are.</param>
    /// <param name="numberOfResamples">How often to draw, at least 100.</param>
    /// <param name="confidenceLevel">How often an interval is to contain the true difference, in (0, 1). It takes at least 2 / (1 − level)
    /// − 1 resamples: 199 for 0.99.</param>
    /// <param name="seed">The same seed gives the same intervals on every machine.</param>
    /// <returns>This model minus the other.</returns>
    /// <remarks>Where the metrics were measured with a <c>clusterColumnName</c>, whole clusters are drawn and not rows. <see
    /// cref="CalibrationComparison"/> says which metrics have no difference, and why.</remarks>
    /// <exception cref="ArgumentException">The other metrics are of another number of rows, of rows whose labels differ or come in another
    /// order, of rows of which others were left out, or of other clusters.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A parameter is out of its range, or there are fewer resamples than the level
    /// takes.</exception>
    public BinaryCalibrationComparison CompareTo(
        BinaryCalibrationMetrics other, int numberOfResamples = 1000, double confidenceLevel = 0.95, int seed = 0)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (Count != other.Count)
            throw new ArgumentException($"Models are compared on the same rows, but these metrics are of {Count} rows, and the others of "
                + $"{other.Count}.", nameof(other));
        return new(Compare(other, numberOfResamples, confidenceLevel, seed));
    }

    /// <summary>The metrics as a block of text, one a line, in invariant culture.</summary>
    public override string ToString()
    {
        string skipped = SkippedRows == 0 ? "" : Invariant($" ({SkippedRows:N0} rows without a probability left out)");
        return string.Join(Environment.NewLine,
        [
            Invariant($"Rows                            {Count:N0}{skipped}"),
            Invariant($"Positive rate                   {PositiveRate:P2}"),
            Invariant($"Mean probability                {MeanProbability:P2}"),
            Invariant($"Expected calibration error      {ExpectedCalibrationError:P2}"),
            Invariant($"Adaptive calibration error      {AdaptiveCalibrationError:P2}"),
            Invariant($"Maximum calibration error       {MaximumCalibrationError:P2}"),
            Invariant($"Root mean square error          {RootMeanSquareCalibrationError:P2}"),
            Invariant($"  debiased                      {DebiasedRootMeanSquareCalibrationError:P2}"),
            Invariant($"Smooth calibration error        {SmoothCalibrationError:P2}"),
            $"Spiegelhalter's z               {SpiegelhalterTest}",
            $"Kolmogorov-Smirnov              {KolmogorovSmirnovTest}",
            Invariant($"Brier score                     {BrierScore:F4}"),
            Invariant($"Log loss                        {LogLoss:F4}"),
        ]);
    }
}
