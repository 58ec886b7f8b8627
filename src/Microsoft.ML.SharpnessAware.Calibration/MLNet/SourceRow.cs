using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The number of a row in its source, for messages. A position counts the rows of what is read, which may be a fold or another part of the
/// data, or those of one thread; the id of a row is its place in the source, for most sources.
/// </summary>
internal sealed class SourceRow(DataViewRow row)
{
    private readonly ValueGetter<DataViewRowId> _getId = row.GetIdGetter();

    /// <summary>Of the current row, counted from 0.</summary>
    public long Number
    {
        get
        {
            DataViewRowId id = default;
            _getId(ref id);
            return NumberOf(id, row.Position);
        }
    }

    /// <summary>Of a row of this id, which lies at this position of what is read.</summary>
    public static long NumberOf(DataViewRowId id, long position) => id is { High: 0, Low: <= long.MaxValue } ? (long)id.Low : position;
}
