namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Confidence intervals of calibration metrics, from <see cref="MulticlassCalibrationMetrics.Bootstrap"/>: how much the metrics would vary
/// if as many other rows of the same kind had been measured.
/// </summary>
/// <remarks>
/// <para>
/// None of them is a plain bootstrap of the rows. Among 100 rows of confidence 0.99 there is often no error; rows drawn from these have
/// none either, and such an interval has no width. What did not occur must be allowed for.
/// </para>
/// <para>
/// Accuracy is a share, and its interval is exact (Clopper and Pearson 1934). Those of the other means (log loss, Brier score, mean
/// confidence, mean entropy) extend it to numbers that are not 0 or 1: rows have random weights (Bayesian bootstrap), and one row more is
/// counted, at the lower end the best that could have come, at the upper end the worst (Gaffke 2005; Learned-Miller and Thomas 2019). Best
/// and worst are a right and a wrong prediction with the losses that the model itself expects of these.
/// </para>
/// <para>
/// Calibration errors sum the sizes of the gaps, chance gaps included, so the measured error is too large. Their intervals are of the true
/// error of the bins and are made by inverting a test (Carpenter 1999, "Test inversion bootstrap confidence intervals"): a size of the true
/// error belongs to the interval if, with gaps of that size and chance on top of them, the measured error is neither among the smallest nor
/// among the largest. The lower end is 0 exactly where a calibrated model may show the measured error; for that outcomes are drawn from
/// the confidences (Bröcker and Smith 2007, "Increasing the reliability of reliability diagrams"). Otherwise the true gaps are taken to
/// be proportional to those that exceed two standard deviations; at the upper end to the measured ones, with outcomes drawn from the
/// posterior of each bin's accuracy. An error below what chance gaps make on average is luck and counts as that average at the upper end.
/// An interval can lie below the measured value.
/// </para>
/// <para>
/// Where rows belong to clusters (<c>clusterColumnName</c>), these are drawn. The means, accuracy among them, come from clusters of random
/// weight and one cluster more. Calibration errors get, on top of the chance of single rows, what random weights of whole clusters do to
/// the gaps, as far as these vary more than rows by themselves would (the design effect, Rao and Scott 1992). From fewer than about ten
/// clusters little can be told, from one nothing.
/// </para>
/// <para>
/// docs/evidence.md shows how often 95 % intervals held the true values on 20 to 100,000 rows. The classwise error and its parts have no
/// interval here: a row counts in a bin of every class, and the sums that are kept do not tell how these go together. Nor has the maximum
/// calibration error, which is decided by bins of few rows.
/// </para>
/// </remarks>
public sealed class CalibrationIntervals
{
    internal CalibrationIntervals()
    {
    }

    /// <summary>The number of resamples.</summary>
    public int NumberOfResamples { get; internal init; }

    /// <summary>How often an interval is to contain the true value.</summary>
    public double ConfidenceLevel { get; internal init; }

    /// <summary>How many clusters of rows were drawn from; null where rows are taken as independent.</summary>
    public int? NumberOfClusters { get; internal init; }

    /// <summary>Of <see cref="ClassifierCalibrationMetrics.ExpectedCalibrationError"/>.</summary>
    public ConfidenceInterval ExpectedCalibrationError { get; internal init; } = null!;

    /// <summary>Of <see cref="ClassifierCalibrationMetrics.AdaptiveCalibrationError"/>, for the bins as they are: they are not formed anew
    /// from each resample.</summary>
    public ConfidenceInterval AdaptiveCalibrationError { get; internal init; } = null!;

    /// <summary>Of <see cref="ClassifierCalibrationMetrics.RootMeanSquareCalibrationError"/>.</summary>
    public ConfidenceInterval RootMeanSquareCalibrationError { get; internal init; } = null!;

    /// <summary>Of <see cref="ClassifierCalibrationMetrics.BrierScore"/>.</summary>
    public ConfidenceInterval BrierScore { get; internal init; } = null!;

    /// <summary>Of <see cref="ClassifierCalibrationMetrics.LogLoss"/>.</summary>
    public ConfidenceInterval LogLoss { get; internal init; } = null!;

    /// <summary>Of <see cref="MulticlassCalibrationMetrics.Accuracy"/>.</summary>
    public ConfidenceInterval Accuracy { get; internal init; } = null!;

    /// <summary>Of <see cref="MulticlassCalibrationMetrics.MeanConfidence"/>.</summary>
    public ConfidenceInterval MeanConfidence { get; internal init; } = null!;

    /// <summary>Of <see cref="MulticlassCalibrationMetrics.MeanEntropy"/>.</summary>
    public ConfidenceInterval MeanEntropy { get; internal init; } = null!;

    /// <summary>The intervals as a block of text, one a line, in invariant culture.</summary>
    public override string ToString() => string.Join(Environment.NewLine,
        Invariant($"{ConfidenceLevel:0.#%} intervals from {NumberOfResamples:N0} resamples")
            + CalibrationComparison.InClusters(NumberOfClusters),
        $"Accuracy                        {Accuracy}",
        $"Mean confidence                 {MeanConfidence}",
        $"Expected calibration error      {ExpectedCalibrationError}",
        $"Adaptive calibration error      {AdaptiveCalibrationError}",
        $"Root mean square error          {RootMeanSquareCalibrationError}",
        $"Brier score                     {BrierScore}",
        $"Log loss                        {LogLoss}",
        $"Mean entropy                    {MeanEntropy}");
}
