namespace Microsoft.ML.SharpnessAware;

/// <summary>One bin of a <see cref="ReliabilityDiagram"/>: the rows whose confidence lies in (<paramref name="LowerBound"/>,
/// <paramref name="UpperBound"/>]. The first bin also holds its lower edge.</summary>
/// <param name="LowerBound">The lower edge, which is not part of the bin.</param>
/// <param name="UpperBound">The upper edge, which is part of the bin.</param>
/// <param name="Count">The number of rows in the bin.</param>
/// <param name="MeanConfidence">The mean confidence of these rows, or mean probability of the positive class or of the one class; NaN
/// when the bin is empty.</param>
/// <param name="Accuracy">The share of these rows whose predicted class is the true one; in the diagram of a binary model the share of
/// positive ones, in that of one class the share of rows of the class. NaN when the bin is empty.</param>
public sealed record ReliabilityBin(double LowerBound, double UpperBound, long Count, double MeanConfidence, double Accuracy)
{
    /// <summary>Mean confidence minus accuracy: positive where the model is overconfident, or its probability too high; negative where it
    /// is underconfident, or too low; NaN when the bin is empty.</summary>
    public double Gap => MeanConfidence - Accuracy;

    internal static ReliabilityBin Create(double lowerBound, double upperBound, long count, double sumOfConfidences, long correct)
        => new(lowerBound, upperBound, count,
            count == 0 ? double.NaN : sumOfConfidences / count, count == 0 ? double.NaN : correct / (double)count);
}
