namespace Microsoft.ML.SharpnessAware;

/// <summary>STUB.</summary>
/// <param name="ClassName">Stub.</param>
/// <param name="ClassIndex">Stub.</param>
/// <param name="Count">Stub.</param>
/// <param name="Frequency">Stub.</param>
/// <param name="MeanConfidence">Stub.</param>
/// <param name="ExpectedCalibrationError">Stub.</param>
/// <param name="ReliabilityDiagram">Stub.</param>
public sealed record ClassCalibration(string ClassName, int ClassIndex, long Count, double Frequency, double MeanConfidence,
    double ExpectedCalibrationError, ReliabilityDiagram ReliabilityDiagram);
