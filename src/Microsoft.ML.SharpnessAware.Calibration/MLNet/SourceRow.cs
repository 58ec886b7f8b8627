using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The number of a row in its source, for messages. Where ML.NET shares rows out to threads, a position counts those of one thread; the id
/// of a row is its place in the source, for most sources.
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
            return id is { High: 0, Low: <= long.MaxValue } ? (long)id.Low : row.Position;
        }
    }
}
