namespace Microsoft.ML.SharpnessAware;

/// <summary>How well the summed probability of the k most probable classes matches how often the true class is among them.</summary>
/// <param name="K">The number of classes; with 1 the values are those of the model's prediction.</param>
/// <param name="Accuracy">The share of rows whose true class is among the k most probable (of equal ones the lowest index first, as in
/// ML.NET's top-k accuracy).</param>
/// <param name="MeanConfidence">The mean over rows of the sum of the k largest probabilities.</param>
/// <param name="ExpectedCalibrationError">The expected calibration error with this sum as the confidence.</param>
/// <param name="ReliabilityDiagram">The bins of that error.</param>
public sealed record TopKCalibration(int K, double Accuracy, double MeanConfidence, double ExpectedCalibrationError,
    ReliabilityDiagram ReliabilityDiagram);
