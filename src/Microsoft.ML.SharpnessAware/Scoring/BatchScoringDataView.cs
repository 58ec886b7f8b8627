using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A view with Score and PredictedLabel added, scored a batch at a time while it is read; see <see cref="BatchScoringCursor"/>.</summary>
internal sealed class BatchScoringDataView : IDataView
{
    private readonly IDataView _source;

    public BatchScoringDataView(SharpnessAwareImageClassificationTransformer transformer, IDataView source)
    {
        _source = source;
        Transformer = transformer;
        Images = transformer.BindImages(source.Schema);
        Bindings = new ColumnBindings(source.Schema, transformer.OutputColumns(source.Schema));
    }

    public DataViewSchema Schema => Bindings.Schema;

    public bool CanShuffle => _source.CanShuffle;

    internal SharpnessAwareImageClassificationTransformer Transformer { get; }

    internal ImageColumn Images { get; }

    internal ColumnBindings Bindings { get; }

    public long? GetRowCount() => _source.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        bool[] active = new bool[Schema.Count];
        foreach (DataViewSchema.Column column in columnsNeeded)
            active[column.Index] = true;
        bool[] passedThrough = Bindings.GetActiveInput(index => active[index]);
        bool isScored = Bindings.AddedColumnIndices.Any(index => active[index]);

        DataViewRowCursor input = _source.GetRowCursor(_source.Schema.Where(column =>
            passedThrough[column.Index] || (isScored && Images.Columns.Any(needed => needed.Index == column.Index))), rand);
        return isScored ? new BatchScoringCursor(this, input, active) : new PassThroughCursor(this, input, active);
    }

    /// <summary>One cursor: the processors are kept busy within a batch.</summary>
    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];

    internal static InvalidOperationException NotActive(DataViewSchema.Column column) =>
        new($"Column '{column.Name}' was not asked for when the cursor was made.");
}
