using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Scores row by row: what a prediction engine uses.</summary>
internal sealed class ScoringRowMapper(IImageScorer scorer, DataViewSchema inputSchema) : IRowMapper
{
    private readonly ImageColumn _images = scorer.BindImages(inputSchema);
    private readonly DataViewSchema.DetachedColumn[] _outputs = scorer.OutputColumns(inputSchema);

    /// <summary>What a transformer gives as its row-to-row mapper.</summary>
    public static IRowToRowMapper Of(IHost host, IImageScorer scorer, DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        scorer.ThrowIfDisposed();
        return new RowToRowMapperTransform(host, new EmptyDataView(host, inputSchema), new ScoringRowMapper(scorer, inputSchema),
            schema => new ScoringRowMapper(scorer, schema));
    }

    public DataViewSchema.DetachedColumn[] GetOutputColumns() => _outputs;

    public Func<int, bool> GetDependencies(Func<int, bool> activeOutput)
    {
        bool any = IsAnyActive(activeOutput);
        return column => any && _images.Columns.Any(needed => needed.Index == column);
    }

    public Delegate[] CreateGetters(DataViewRow input, Func<int, bool> activeOutput, out Action? disposer)
    {
        disposer = null;
        var getters = new Delegate[_outputs.Length];
        if (!IsAnyActive(activeOutput))
            return getters;

        var row = new RowScorer(scorer, _images, input);
        disposer = row.Dispose;
        foreach (int output in Enumerable.Range(0, getters.Length).Where(activeOutput))
            getters[output] = scorer.CreateGetter(output, row.Current);
        return getters;
    }

    public ITransformer GetTransformer() => scorer;

    void ICanSaveModel.Save(ModelSaveContext ctx) => scorer.Save(ctx);

    private bool IsAnyActive(Func<int, bool> activeOutput) => Enumerable.Range(0, _outputs.Length).Any(activeOutput);

    /// <summary>The values of the current row, computed once however many columns ask.</summary>
    private sealed class RowScorer(IImageScorer scorer, ImageColumn images, DataViewRow input) : IDisposable
    {
        private readonly float[] _values = new float[scorer.ValuesPerImage];
        private readonly ImageReader _reader = images.OpenReader(input);
        private readonly ImageBatch _batch = scorer.CreateBatch(capacity: 1);       // last: it is to be disposed
        private long _position = -1;

        public ReadOnlySpan<float> Current()
        {
            if (_position != input.Position)
            {
                scorer.ThrowIfDisposed();
                _batch.Clear();
                _batch.Add(_reader);
                _batch.Score(_values);
                _position = input.Position;
            }
            return _values;
        }

        public void Dispose() => _batch.Dispose();
    }
}
