namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The differences between two models on the same rows, each with its confidence interval, from <see
/// cref="MulticlassCalibrationMetrics.CompareTo"/>. An interval that excludes 0 means that the difference is
/// unlikely to be chance.
/// </summary>
/// <remarks>
/// Rows that are hard are hard for both models, so differences row by row vary far less than the metrics themselves do: intervals of two
/// models that overlap say little, the interval of the difference tells. Rows are taken as independent unless they were measured with
/// a <c>clusterColumnName</c>: pictures of one patient, or frames of one film, are not independent, and make the intervals too narrow.
/// The other metrics have no difference here. What chance adds to the adaptive, root mean square, smooth and classwise errors does not
/// cancel between models of other confidences: simulated 95 % intervals of the adaptive one held the true difference in as few as 20 % of
/// the samples. One bin of few rows decides the maximum error, and the area under the risk-coverage curve is about the order of the rows,
/// which each draw would have to go through. Take the log loss or the Brier score for a choice, and <see
/// cref="MulticlassCalibrationMetrics.Bootstrap"/> for each model's own errors.
/// </remarks>
public sealed class CalibrationComparison
{
    internal CalibrationComparison()
    {
    }

    /// <summary>How often an interval is to contain the true difference.</summary>
    public double ConfidenceLevel { get; internal init; }

    /// <summary>The number of rows.</summary>
    public long Count { get; internal init; }

    /// <summary>How many clusters of rows were drawn from; null where rows are taken as independent.</summary>
    public int? NumberOfClusters { get; internal init; }

    /// <summary>The difference of the accuracies: positive where this model is right more often than the other.</summary>
    public ConfidenceInterval Accuracy { get; internal init; } = null!;

    /// <summary>The difference of the log losses: negative where this model is better.</summary>
    public ConfidenceInterval LogLoss { get; internal init; } = null!;

    /// <summary>The difference of the Brier scores: negative where this model is better.</summary>
    public ConfidenceInterval BrierScore { get; internal init; } = null!;

    /// <summary>The difference of the mean confidences.</summary>
    public ConfidenceInterval MeanConfidence { get; internal init; } = null!;

    /// <summary>The difference of the expected calibration errors: negative where this model is better. One row more is counted, right or
    /// wrong for either model, so that errors that did not occur among few rows are allowed for. What chance adds to both errors cancels
    /// for models of about the same confidences; between a calibrated model and one far too sure the interval is a rough guide.</summary>
    public ConfidenceInterval ExpectedCalibrationError { get; internal init; } = null!;

    /// <summary>The differences as a block of text, one a line, in invariant culture.</summary>
    public override string ToString() => string.Join(Environment.NewLine,
        Invariant($"Differences on {Count:N0} rows{InClusters(NumberOfClusters)}, with {ConfidenceLevel:0.#%} intervals"),
        $"Accuracy                        {Accuracy}",
        $"Mean confidence                 {MeanConfidence}",
        $"Expected calibration error      {ExpectedCalibrationError}",
        $"Brier score                     {BrierScore}",
        $"Log loss                        {LogLoss}");

    internal static string InClusters(int? clusters) => clusters is int number ? Invariant($" in {number:N0} clusters") : "";
}
