using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Rows on their way from a cursor to a <see cref="CalibrationAccumulator"/>.</summary>
internal sealed class ScoreBlock
{
    // 256 KB of scores: large against the cost of handing a block over, small against the processor's cache.
    private const int NumberOfScores = 1 << 16;

    private readonly int _numberOfClasses;
    private readonly float[] _scores;
    private readonly int[] _labels;
    private readonly (long Position, DataViewRowId Id)[] _rows;
    private readonly int[][] _sides;

    /// <param name="numberOfClasses">The length of a row.</param>
    /// <param name="numberOfSides">How many numbers of other columns a row has.</param>
    public ScoreBlock(int numberOfClasses, int numberOfSides)
    {
        int rows = Math.Max(1, NumberOfScores / numberOfClasses);
        _numberOfClasses = numberOfClasses;
        _scores = new float[rows * numberOfClasses];
        _labels = new int[rows];
        _rows = new (long, DataViewRowId)[rows];
        _sides = [.. Enumerable.Range(0, numberOfSides).Select(_ => new int[rows])];
    }

    public int Count { get; private set; }

    public bool IsFull => Count == _labels.Length;

    public ReadOnlySpan<float> Scores => _scores.AsSpan(0, Count * _numberOfClasses);

    public ReadOnlySpan<int> Labels => _labels.AsSpan(0, Count);

    /// <summary>Adds a row, whose scores are to be written into what is returned.</summary>
    /// <param name="position">Where the row lies in what is read.</param>
    /// <param name="id">What identifies the row, for whoever wants to find it again.</param>
    /// <param name="label">The class, from 0.</param>
    public Span<float> Add(long position, DataViewRowId id, int label)
    {
        _rows[Count] = (position, id);
        _labels[Count] = label;
        return Row(Count++);
    }

    /// <summary>What another column says of each row; to be written at the place of the row that was added last.</summary>
    public Span<int> Side(int side) => _sides[side].AsSpan(0, Count);

    public long Position(int row) => _rows[row].Position;

    /// <summary>The number of a row in the source, for messages.</summary>
    public long Number(int row) => SourceRow.NumberOf(_rows[row].Id, _rows[row].Position);

    public DataViewRowId Id(int row) => _rows[row].Id;

    public Span<float> Row(int row) => _scores.AsSpan(row * _numberOfClasses, _numberOfClasses);

    /// <summary>Keeps the first <paramref name="count"/> rows.</summary>
    public void Truncate(int count) => Count = count;

    /// <summary>Copies a row to an earlier place, to close gaps.</summary>
    public void Move(int row, int to)
    {
        if (row == to)
            return;
        Row(row).CopyTo(Row(to));
        _labels[to] = _labels[row];
        _rows[to] = _rows[row];
        foreach (int[] side in _sides)
            side[to] = side[row];
    }
}
