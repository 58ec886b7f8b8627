namespace Microsoft.ML.SharpnessAware;

/// <summary>STUB.</summary>
/// <param name="Coverage">Stub.</param>
/// <param name="Accuracy">Stub.</param>
/// <param name="Threshold">Stub.</param>
public sealed record AccuracyRejectionPoint(double Coverage, double Accuracy, double Threshold);
