namespace Microsoft.ML.SharpnessAware;

/// <summary>STUB.</summary>
/// <param name="K">Stub.</param>
/// <param name="Accuracy">Stub.</param>
/// <param name="MeanConfidence">Stub.</param>
/// <param name="ExpectedCalibrationError">Stub.</param>
/// <param name="ReliabilityDiagram">Stub.</param>
public sealed record TopKCalibration(int K, double Accuracy, double MeanConfidence, double ExpectedCalibrationError,
    ReliabilityDiagram ReliabilityDiagram);
