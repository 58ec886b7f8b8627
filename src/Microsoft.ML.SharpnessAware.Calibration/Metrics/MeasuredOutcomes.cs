namespace Microsoft.ML.SharpnessAware;

/// <summary>What each row gave, in the order of the rows: twelve bytes a row, and four more for its cluster, so that two models
/// can be compared row by row.</summary>
internal sealed class MeasuredOutcomes
{
    // One long list would be copied, and its memory cleared, each time that it outgrows its place: a few per cent of a whole evaluation.
    private const int BlockRows = 1 << 13;
    private const int FirstRows = 16;

    private readonly List<(float SignedConfidence, float LogLoss, float BrierScore)[]> _blocks = [];
    private (float SignedConfidence, float LogLoss, float BrierScore)[] _last = [];
    private int _used;      // of the last block

    /// <summary>The hash of the labels in their order: other rows, or another order, give another one.</summary>
    public ulong LabelsHash { get; private set; } = 14695981039346656037;

    /// <summary>What each row belongs to; null where that was not asked.</summary>
    public List<int>? Clusters { get; private set; }

    /// <summary>The entropy of each row, where there are clusters: their intervals are made from rows, not from cells.</summary>
    public List<float> Entropies { get; } = [];

    public int Count => Math.Max(0, _blocks.Count - 1) * BlockRows + _used;

    public void Add(int label, float confidence, bool correct, double logLoss, double brierScore, double entropy = 0, int cluster = -1)
    {
        LabelsHash = (LabelsHash ^ (uint)label) * 1099511628211;     // FNV-1a
        if (cluster >= 0)
        {
            (Clusters ??= []).Add(cluster);
            Entropies.Add((float)entropy);
        }

        if (_used == _last.Length)
            MakePlace();
        _last[_used++] = (correct ? confidence : -confidence, (float)logLoss, (float)brierScore);
    }

    public (float Confidence, bool Correct, double LogLoss, double BrierScore) Row(int row)
    {
        (float confidence, float logLoss, float brierScore) = _blocks[row / BlockRows][row % BlockRows];
        return (Math.Abs(confidence), !float.IsNegative(confidence), logLoss, brierScore);     // −0 is a wrong row of probability 0
    }

    /// <summary>The rows by their confidence, for what needs that order.</summary>
    public ConfidenceRanking Ranking()
    {
        var ranking = new ConfidenceRanking(Count);
        foreach ((float SignedConfidence, float, float)[] block in _blocks)
        {
            foreach ((float confidence, _, _) in block.AsSpan(0, block == _last ? _used : block.Length))
                ranking.Add(Math.Abs(confidence), !float.IsNegative(confidence));
        }

        ranking.Sort();
        return ranking;
    }

    private void MakePlace()
    {
        if (_last.Length is > 0 and < BlockRows)        // the first block only; few rows take little
        {
            Array.Resize(ref _last, 2 * _last.Length);
            _blocks[^1] = _last;
            return;
        }

        _last = GC.AllocateUninitializedArray<(float, float, float)>(_blocks.Count == 0 ? FirstRows : BlockRows);
        _blocks.Add(_last);
        _used = 0;
    }
}
