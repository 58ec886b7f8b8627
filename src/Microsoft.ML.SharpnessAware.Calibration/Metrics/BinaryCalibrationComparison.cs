namespace Microsoft.ML.SharpnessAware;

/// <summary>The differences between two binary models on the same rows, each with its confidence interval, from <see
/// cref="BinaryCalibrationMetrics.CompareTo"/>; formed as <see cref="CalibrationComparison"/> says. An interval that excludes 0
/// means that the difference is unlikely to be chance.</summary>
public sealed class BinaryCalibrationComparison
{
    internal BinaryCalibrationComparison(CalibrationComparison differences) =>
        (ConfidenceLevel, Count, NumberOfClusters, LogLoss, BrierScore, MeanProbability, ExpectedCalibrationError) =
            (differences.ConfidenceLevel, differences.Count, differences.NumberOfClusters, differences.LogLoss, differences.BrierScore,
                differences.MeanConfidence, differences.ExpectedCalibrationError);

    /// <summary>How often an interval is to contain the true difference.</summary>
    public double ConfidenceLevel { get; }

    /// <summary>The number of rows.</summary>
    public long Count { get; }

    /// <summary>How many clusters of rows were drawn from; null where rows are taken as independent.</summary>
    public int? NumberOfClusters { get; }

    /// <summary>The difference of the log losses: negative where this model is better.</summary>
    public ConfidenceInterval LogLoss { get; }

    /// <summary>The difference of the Brier scores: negative where this model is better.</summary>
    public ConfidenceInterval BrierScore { get; }

    /// <summary>The difference of the mean probabilities of the positive class.</summary>
    public ConfidenceInterval MeanProbability { get; }

    /// <summary>The difference of the expected calibration errors: negative where this model is better.</summary>
    public ConfidenceInterval ExpectedCalibrationError { get; }

    /// <summary>The differences as a block of text, one a line, in invariant culture.</summary>
    public override string ToString() => string.Join(Environment.NewLine,
        Invariant($"Differences on {Count:N0} rows{CalibrationComparison.InClusters(NumberOfClusters)}, ")
            + Invariant($"with {ConfidenceLevel:0.#%} intervals"),
        $"Mean probability                {MeanProbability}",
        $"Expected calibration error      {ExpectedCalibrationError}",
        $"Brier score                     {BrierScore}",
        $"Log loss                        {LogLoss}");
}
