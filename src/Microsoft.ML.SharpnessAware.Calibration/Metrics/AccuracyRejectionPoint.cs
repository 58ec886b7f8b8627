namespace Microsoft.ML.SharpnessAware;

/// <summary>One point of an <see cref="AccuracyRejectionCurve"/>: what is reached when only predictions of at least this confidence are
/// accepted.</summary>
/// <param name="Coverage">The share of rows that are accepted, in (0, 1].</param>
/// <param name="Accuracy">The share of the accepted rows whose predicted class is the true one.</param>
/// <param name="Threshold">The smallest confidence that is accepted.</param>
public sealed record AccuracyRejectionPoint(double Coverage, double Accuracy, double Threshold);
