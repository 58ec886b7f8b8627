namespace Microsoft.ML.SharpnessAware;

/// <summary>What each row gave, in the order of the rows: twelve bytes a row, so that two models can be compared row by row.</summary>
internal sealed class MeasuredOutcomes
{
    private readonly List<(float SignedConfidence, float LogLoss, float BrierScore)> _rows = [];

    /// <summary>The hash of the labels in their order: other rows, or another order, give another one.</summary>
    public ulong LabelsHash { get; private set; } = 14695981039346656037;

    public int Count => _rows.Count;

    public void Add(int label, float confidence, bool correct, double logLoss, double brierScore)
    {
        LabelsHash = (LabelsHash ^ (uint)label) * 1099511628211;     // FNV-1a
        _rows.Add((correct ? confidence : -confidence, (float)logLoss, (float)brierScore));
    }

    public (float Confidence, bool Correct, double LogLoss, double BrierScore) Row(int row)
    {
        (float confidence, float logLoss, float brierScore) = _rows[row];
        return (Math.Abs(confidence), confidence > 0, logLoss, brierScore);
    }
}
