namespace Microsoft.ML.SharpnessAware;

/// <summary>How well the probability p_k of one class k matches how often the class is the true one, over all rows.</summary>
/// <param name="ClassName">The name of the class: the slot name of the score, else the key value of the label, else the
/// index.</param>
/// <param name="ClassIndex">The index k of the class, from 0.</param>
/// <param name="Count">The number of rows whose true class it is.</param>
/// <param name="Frequency">The share of rows whose true class it is.</param>
/// <param name="MeanConfidence">The mean of p_k over all rows: above <paramref name="Frequency"/> the model predicts the class too
/// readily.</param>
/// <param name="ExpectedCalibrationError">Σ_b n_b/N · |mean p_k − share of class k| over the bins. The mean over the classes is <see
/// cref="MulticlassCalibrationMetrics.ClasswiseCalibrationError"/>.</param>
/// <param name="ReliabilityDiagram">All rows binned by p_k; the accuracy of a bin is the share of its rows that are of class k.</param>
public sealed record ClassCalibration(string ClassName, int ClassIndex, long Count, double Frequency, double MeanConfidence,
    double ExpectedCalibrationError, ReliabilityDiagram ReliabilityDiagram);
