using System.Globalization;

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

    private ulong[] _rowsOfClass = [];      // a hash of the places at which each class stands

    /// <summary>What the classes are called; null where they have no names.</summary>
    public IReadOnlyList<string>? ClassNames { get; set; }

    /// <summary>The rows of the view, or of the group, that are not here.</summary>
    public LeftOutRows LeftOut { get; set; }

    /// <summary>What each row belongs to; null where that was not asked.</summary>
    public List<int>? Clusters { get; private set; }

    /// <summary>The entropy of each row, where there are clusters: their intervals are made from rows, not from cells.</summary>
    public List<float> Entropies { get; } = [];

    public int Count => Math.Max(0, _blocks.Count - 1) * BlockRows + _used;

    public void Add(int label, float confidence, bool correct, double logLoss, double brierScore, double entropy = 0, int cluster = -1)
    {
        if (label >= _rowsOfClass.Length)
            Array.Resize(ref _rowsOfClass, label + 1);
        ulong place = (ulong)Count;
        _rowsOfClass[label] += SplitMix64.Next(ref place);
        if (cluster >= 0)
        {
            (Clusters ??= []).Add(cluster);
            Entropies.Add((float)entropy);
        }

        if (_used == _last.Length)
            MakePlace();
        confidence = Math.Abs(confidence);      // −0 is a probability, too
        _last[_used++] = (correct ? confidence : -confidence, (float)logLoss, (float)brierScore);
    }

    public (float Confidence, bool Correct, double LogLoss, double BrierScore) Row(int row)
    {
        (float confidence, float logLoss, float brierScore) = _blocks[row / BlockRows][row % BlockRows];
        return (Math.Abs(confidence), !float.IsNegative(confidence), logLoss, brierScore);     // −0 is a wrong row of probability 0
    }

    /// <summary>Whether the others have the same labels in the same order: by the names of their classes, which need not stand in the same
    /// order; by their places where one of both has no names, or they have none in common.</summary>
    public bool HasTheLabelsOf(MeasuredOutcomes other)
    {
        bool areNamed = ClassNames is not null && other.ClassNames is not null && ClassNames.Intersect(other.ClassNames).Any();
        return Count == other.Count && RowsOfClass(areNamed).SetEquals(other.RowsOfClass(areNamed));
    }

    private HashSet<(string Class, ulong Rows)> RowsOfClass(bool areNamed) =>
    [
        .. from k in Enumerable.Range(0, _rowsOfClass.Length)
           where _rowsOfClass[k] != 0
           select (areNamed ? ClassNames![k] : k.ToString(CultureInfo.InvariantCulture), _rowsOfClass[k]),
    ];

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
