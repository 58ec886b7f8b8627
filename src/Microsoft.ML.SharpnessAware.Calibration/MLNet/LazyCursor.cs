namespace Microsoft.ML.SharpnessAware;

/// <summary>Opens cursors that compute a value when it is asked for.</summary>
/// <remarks>That of GetRowCursor may share the rows out to threads, which compute all columns of all of them, and fails where one value
/// cannot be computed, wanted or not. One of a set of one has nobody to share with, except below a filter that has one cursor only
/// (TakeRows, SkipRows, AppendRows), which opens its source as it likes.</remarks>
internal static class LazyCursor
{
    public static DataViewRowCursor Open(IDataView data, IEnumerable<DataViewSchema.Column> columns) =>
        data.GetRowCursorSet(columns, 1).Single();
}
