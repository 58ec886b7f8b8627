using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Goes through the labels and scores of a view, row by row.</summary>
internal sealed class LabelledScoreCursor : IDisposable
{
    private readonly DataViewRowCursor _cursor;
    private readonly LabelledScores _columns;
    private readonly ValueGetter<ulong> _getLabel;
    private readonly ValueGetter<VBuffer<float>> _getScore;
    private readonly ValueGetter<DataViewRowId> _getId;
    private VBuffer<float> _scores;

    public LabelledScoreCursor(DataViewRowCursor cursor, LabelledScores columns)
    {
        _cursor = cursor;
        _columns = columns;
        _getLabel = RowCursorUtils.GetGetterAs<ulong>(NumberDataViewType.UInt64, cursor, columns.Label.Index);
        _getScore = cursor.GetGetter<VBuffer<float>>(columns.Score);
        _getId = cursor.GetIdGetter();
    }

    /// <summary>Where the row lies in what is read, counted from 0.</summary>
    public long Position => _cursor.Position;

    /// <summary>Its number in the source, for messages.</summary>
    public long Number => SourceRow.NumberOf(ReadId(), Position);

    /// <summary>The row, for those who read other columns.</summary>
    public DataViewRow Row => _cursor;

    public bool MoveNext() => _cursor.MoveNext();

    /// <summary>The class of the row, counted from 0; -1 where its label is missing or unknown.</summary>
    public int ReadClass()
    {
        ulong key = 0;
        _getLabel(ref key);
        return _columns.ClassOf(key);
    }

    /// <exception cref="InvalidOperationException">The row has more or fewer scores than the type of the column says.</exception>
    public void ReadScores(Span<float> row)
    {
        _getScore(ref _scores);
        if (!ScoreVector.TryCopy(_scores, row))
            throw ScoreVector.OfOtherLength(_columns.Score, Number, _scores);
    }

    /// <summary>What identifies the row in another pass.</summary>
    public DataViewRowId ReadId()
    {
        DataViewRowId id = default;
        _getId(ref id);
        return id;
    }

    public void Dispose() => _cursor.Dispose();
}
