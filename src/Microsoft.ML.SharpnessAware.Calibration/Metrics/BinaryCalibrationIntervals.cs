namespace Microsoft.ML.SharpnessAware;

/// <summary>Confidence intervals of the calibration metrics of a binary model, from <see cref="BinaryCalibrationMetrics.Bootstrap"/>;
/// formed as <see cref="CalibrationIntervals"/> says.</summary>
public sealed class BinaryCalibrationIntervals
{
    internal BinaryCalibrationIntervals(CalibrationIntervals intervals) =>
        (NumberOfResamples, ConfidenceLevel, NumberOfClusters, ExpectedCalibrationError, AdaptiveCalibrationError,
            RootMeanSquareCalibrationError, BrierScore, LogLoss, PositiveRate, MeanProbability) = (intervals.NumberOfResamples,
            intervals.ConfidenceLevel, intervals.NumberOfClusters, intervals.ExpectedCalibrationError, intervals.AdaptiveCalibrationError,
            intervals.RootMeanSquareCalibrationError, intervals.BrierScore, intervals.LogLoss, intervals.Accuracy,
            intervals.MeanConfidence);

    /// <summary>The number of resamples.</summary>
    public int NumberOfResamples { get; }

    /// <summary>How often an interval is to contain the true value.</summary>
    public double ConfidenceLevel { get; }

    /// <summary>How many clusters of rows were drawn from; null where rows are taken as independent.</summary>
    public int? NumberOfClusters { get; }

    /// <summary>Of <see cref="ClassifierCalibrationMetrics.ExpectedCalibrationError"/>.</summary>
    public ConfidenceInterval ExpectedCalibrationError { get; }

    /// <summary>Of <see cref="ClassifierCalibrationMetrics.AdaptiveCalibrationError"/>, for the bins as they are.</summary>
    public ConfidenceInterval AdaptiveCalibrationError { get; }

    /// <summary>Of <see cref="ClassifierCalibrationMetrics.RootMeanSquareCalibrationError"/>.</summary>
    public ConfidenceInterval RootMeanSquareCalibrationError { get; }

    /// <summary>Of <see cref="ClassifierCalibrationMetrics.BrierScore"/>.</summary>
    public ConfidenceInterval BrierScore { get; }

    /// <summary>Of <see cref="ClassifierCalibrationMetrics.LogLoss"/>.</summary>
    public ConfidenceInterval LogLoss { get; }

    /// <summary>Of <see cref="BinaryCalibrationMetrics.PositiveRate"/>; exact where rows are independent.</summary>
    public ConfidenceInterval PositiveRate { get; }

    /// <summary>Of <see cref="BinaryCalibrationMetrics.MeanProbability"/>.</summary>
    public ConfidenceInterval MeanProbability { get; }

    /// <summary>The intervals as a block of text, one a line, in invariant culture.</summary>
    public override string ToString() => string.Join(Environment.NewLine,
        Invariant($"{ConfidenceLevel:0.#%} intervals from {NumberOfResamples:N0} resamples")
            + CalibrationComparison.InClusters(NumberOfClusters),
        $"Positive rate                   {PositiveRate}",
        $"Mean probability                {MeanProbability}",
        $"Expected calibration error      {ExpectedCalibrationError}",
        $"Adaptive calibration error      {AdaptiveCalibrationError}",
        $"Root mean square error          {RootMeanSquareCalibrationError}",
        $"Brier score                     {BrierScore}",
        $"Log loss                        {LogLoss}");
}
