namespace Microsoft.ML.SharpnessAware;

/// <summary>How well the probabilities of a binary model match what happened in the rows of one group.</summary>
/// <param name="GroupName">The value of the group column as text; empty for the rows where it is missing.</param>
/// <param name="Metrics">The metrics of these rows; <see cref="BinaryCalibrationMetrics.Bootstrap"/> gives their intervals, which say
/// how much of a difference between groups may be chance.</param>
public sealed record BinaryGroupCalibration(string GroupName, BinaryCalibrationMetrics Metrics);
