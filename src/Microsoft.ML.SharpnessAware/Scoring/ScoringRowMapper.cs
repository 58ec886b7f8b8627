using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Scores row by row: what a prediction engine uses.</summary>
internal sealed class ScoringRowMapper(SharpnessAwareImageClassificationTransformer transformer, DataViewSchema inputSchema) : IRowMapper
{
    private readonly ImageColumn _images = transformer.BindImages(inputSchema);
    private readonly DataViewSchema.DetachedColumn[] _outputs = transformer.OutputColumns(inputSchema);

    public DataViewSchema.DetachedColumn[] GetOutputColumns() => _outputs;

    public Func<int, bool> GetDependencies(Func<int, bool> activeOutput)
    {
        bool any = activeOutput(ScoreColumns.Score) || activeOutput(ScoreColumns.PredictedLabel);
        return column => any && _images.Columns.Any(needed => needed.Index == column);
    }

    public Delegate[] CreateGetters(DataViewRow input, Func<int, bool> activeOutput, out Action? disposer)
    {
        disposer = null;
        var getters = new Delegate[_outputs.Length];
        if (!activeOutput(ScoreColumns.Score) && !activeOutput(ScoreColumns.PredictedLabel))
            return getters;

        var scorer = new RowScorer(transformer, _images, input);
        disposer = scorer.Dispose;
        if (activeOutput(ScoreColumns.Score))
            getters[ScoreColumns.Score] = (ValueGetter<VBuffer<float>>)((ref VBuffer<float> score) =>
                ProbabilityBuffer.Copy(scorer.Current(), ref score));
        if (activeOutput(ScoreColumns.PredictedLabel))
            getters[ScoreColumns.PredictedLabel] = (ValueGetter<uint>)((ref uint key) => key = ProbabilityBuffer.Key(scorer.Current()));
        return getters;
    }

    public ITransformer GetTransformer() => transformer;

    void ICanSaveModel.Save(ModelSaveContext ctx) => ((ICanSaveModel)transformer).Save(ctx);

    /// <summary>The probabilities of the current row, computed once however many columns ask.</summary>
    private sealed class RowScorer(SharpnessAwareImageClassificationTransformer transformer, ImageColumn images, DataViewRow input) : IDisposable
    {
        private readonly float[] _probabilities = new float[transformer.Classifier.NumberOfClasses];
        private readonly ImageBatch _batch = new(transformer.Classifier, capacity: 1);
        private readonly ImageReader _reader = images.OpenReader(input);
        private long _position = -1;

        public ReadOnlySpan<float> Current()
        {
            if (_position != input.Position)
            {
                transformer.ThrowIfDisposed();
                _batch.Clear();
                _batch.Add(_reader);
                _batch.Score(transformer.Temperature, _probabilities);
                _position = input.Position;
            }
            return _probabilities;
        }

        public void Dispose() => _batch.Dispose();
    }
}
