using Microsoft.ML.Data;
using Microsoft.ML.Model.OnnxConverter;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A view with a model's columns added, scored a batch at a time while it is read; see <see cref="BatchScoringCursor"/>.</summary>
/// <remarks>ConvertToOnnx walks a pipeline back through its IDataTransforms. At a view that is none it stops without a word, and makes an
/// input of every column that the view adds; so this is one, to be asked.</remarks>
internal sealed class BatchScoringDataView : IDataTransform, ITransformCanSaveOnnx
{
    private readonly IDataView _source;

    public BatchScoringDataView(IImageScorer scorer, IDataView source)
    {
        _source = source;
        Scorer = scorer;
        Images = scorer.BindImages(source.Schema);
        Bindings = new ColumnBindings(source.Schema, scorer.OutputColumns(source.Schema));
    }

    public DataViewSchema Schema => Bindings.Schema;

    public bool CanShuffle => _source.CanShuffle;

    IDataView IDataTransform.Source => _source;

    internal IImageScorer Scorer { get; }

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
        try
        {
            return isScored ? new BatchScoringCursor(this, input, active) : new PassThroughCursor(this, input, active);
        }
        catch
        {
            input.Dispose();
            throw;
        }
    }

    /// <summary>One cursor: the processors are kept busy within a batch.</summary>
    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];

    void ICanSaveModel.Save(ModelSaveContext ctx) => Scorer.Save(ctx);

    /// <exception cref="NotSupportedException">The model, or what its images are, cannot be written.</exception>
    bool ICanSaveOnnx.CanSaveOnnx(OnnxContext ctx)
    {
        Scorer.CheckOnnx(Images);
        return true;
    }

    void ISaveAsOnnx.SaveAsOnnx(OnnxContext ctx) => Scorer.AddToOnnx(ctx, this);

    internal static InvalidOperationException NotActive(DataViewSchema.Column column) =>
        new($"Column '{column.Name}' was not asked for when the cursor was made.");
}
