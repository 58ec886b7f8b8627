using Microsoft.Extensions.ObjectPool;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;
using Microsoft.ML.Transforms;
using OnnxOptions = Microsoft.ML.OnnxRuntime.SessionOptions;

namespace Serve;

/// <summary>
/// One model in memory, and as many prediction engines on it as there are requests at a time: a prediction engine serves one thread, the
/// model serves all.
/// </summary>
internal sealed class ImageClassifierPool : IDisposable
{
    private readonly ITransformer[] _steps;
    private readonly ObjectPool<PredictionEngine<ImageRow, ScoredRow>> _engines;
    private readonly string[] _classNames;
    private readonly PredictionSetTransformer? _sets;
    private readonly bool _abstains;

    /// <param name="modelPath">A file of SaveOnnx (.onnx) or of mlContext.Model.Save.</param>
    public ImageClassifierPool(string modelPath)
    {
        var mlContext = new MLContext();
        DataViewSchema request = mlContext.Data.LoadFromEnumerable<ImageRow>([]).Schema;
        ITransformer[] loaded = [.. Steps(Load(mlContext, modelPath)).Select(step => IsOnnx(modelPath) ? step : OneThread(step))];
        _steps = [.. WithKeysInSets(loaded, request)];
        var model = new TransformerChain<ITransformer>(_steps);
        DataViewSchema scored = model.GetOutputSchema(request);
        _classNames = ClassNames(scored["Score"]);
        // Where there are several, the last counts.
        ITransformer[] decisions = [.. _steps.SelectMany(step => step is OnnxImageClassifierTransformer onnx ? onnx.Decisions : [step])];
        _sets = decisions.OfType<PredictionSetTransformer>().LastOrDefault();
        AbstentionTransformer? abstention = decisions.OfType<AbstentionTransformer>().LastOrDefault();
        _abstains = abstention is not null;
        SchemaDefinition row = SchemaDefinition.Create(typeof(ScoredRow));
        Bind(row, row[nameof(ScoredRow.PredictionSet)], _sets, scored);
        Bind(row, row[nameof(ScoredRow.Accepted)], abstention, scored);
        _engines = new DefaultObjectPoolProvider().Create(new EnginePolicy(mlContext, model, row));
        _engines.Return(_engines.Get());        // a model that gives no such rows is refused now
    }

    /// <summary>What a picture shows.</summary>
    /// <param name="image">An image file's bytes.</param>
    /// <exception cref="InvalidOperationException">The bytes are not an image.</exception>
    public Prediction Predict(byte[] image)
    {
        PredictionEngine<ImageRow, ScoredRow> engine = _engines.Get();
        ScoredRow row = engine.Predict(new ImageRow { Image = image });
        _engines.Return(engine);        // not after an exception: that engine is dropped
        return new Prediction(
            [.. _classNames.Zip(row.Score, (name, score) => new ClassProbability(name, score)).OrderByDescending(each => each.Probability)],
            _sets is null ? null : [.. row.PredictionSet.Select(key => _classNames[key - 1])],
            _sets is null ? null : _sets.Score != PredictionSetScore.LeastAmbiguous,
            _sets?.CoverageAsked,
            _abstains ? row.Accepted : null);
    }

    public void Dispose()
    {
        foreach (ITransformer step in _steps)
            (step as IDisposable)?.Dispose();
    }

    private static ITransformer Load(MLContext mlContext, string path) => IsOnnx(path)
        ? mlContext.Transforms.ScoreOnnxImageClassifier(path, featureColumnName: "Image", configureSession: Configure)
            .Fit(mlContext.Data.LoadFromEnumerable<ImageRow>([]))
        : mlContext.Model.Load(path, out _);

    // A request has no label, so nothing maps it, whatever its type was in training.
    private static IEnumerable<ITransformer> Steps(ITransformer model) => model switch
    {
        IEnumerable<ITransformer> chain => chain.SelectMany(Steps),
        ValueToKeyMappingTransformer => [],
        _ => [model],
    };

    // A set is answered with the names of its keys, so that what makes names of them in their place is not needed.
    private static IEnumerable<ITransformer> WithKeysInSets(IEnumerable<ITransformer> steps, DataViewSchema schema)
    {
        foreach (ITransformer step in steps)
        {
            DataViewSchema before = schema, after = step.GetOutputSchema(before);
            if (step is KeyToValueMappingTransformer
                && before.Any(column => !column.IsHidden && IsSet(column) && !IsSet(after[column.Name])))
                continue;
            schema = after;
            yield return step;
        }
    }

    private static bool IsSet(DataViewSchema.Column column) => column.Type is VectorDataViewType { ItemType: KeyDataViewType };

    private static bool IsOnnx(string path) => string.Equals(Path.GetExtension(path), ".onnx", StringComparison.OrdinalIgnoreCase);

    // A model inside of a .zip comes with a session of its own.
    private static ITransformer OneThread(ITransformer step)
    {
        if (step is not OnnxImageClassifierTransformer onnx)
            return step;
        using (onnx)
            return onnx.WithSession(Configure);
    }

    // A thread a request: the requests keep the processors busy. (ONNX Runtime's arena stays on: without it the C library keeps more.)
    private static void Configure(OnnxOptions options) => options.IntraOpNumThreads = 1;

    // The column of a decision may have any name: it is the first that the decision adds to the scores, which alone are vectors of Single.
    private static void Bind(SchemaDefinition row, SchemaDefinition.Column column, ITransformer? decision, DataViewSchema scored)
    {
        if (decision is null)
        {
            row.Remove(column);
            return;
        }

        var scores = new DataViewSchema.Builder();
        scores.AddColumns(scored.Where(each => !each.IsHidden && each.Type is VectorDataViewType { ItemType: NumberDataViewType number }
            && number == NumberDataViewType.Single).Select(each => new DataViewSchema.DetachedColumn(each)));
        DataViewSchema before = scores.ToSchema();
        column.ColumnName = decision.GetOutputSchema(before)[before.Count].Name;
    }

    // Keys without values have no names; the classes are then counted.
    private static string[] ClassNames(DataViewSchema.Column score)
    {
        if (!score.HasSlotNames())
            return [.. Enumerable.Range(0, ((VectorDataViewType)score.Type).Size).Select(i => $"{i}")];
        VBuffer<ReadOnlyMemory<char>> names = default;
        score.GetSlotNames(ref names);
        return [.. names.DenseValues().Select(name => name.ToString())];
    }

    private sealed class EnginePolicy(MLContext mlContext, ITransformer model, SchemaDefinition row)
        : PooledObjectPolicy<PredictionEngine<ImageRow, ScoredRow>>
    {
        // The model belongs to the pool, not to the engine.
        public override PredictionEngine<ImageRow, ScoredRow> Create() => mlContext.Model.CreatePredictionEngine<ImageRow, ScoredRow>(
            model, new PredictionEngineOptions { OwnsTransformer = false, OutputSchemaDefinition = row });

        public override bool Return(PredictionEngine<ImageRow, ScoredRow> engine) => true;
    }

    private sealed class ImageRow
    {
        public string ImagePath { get; set; } = "";

        public byte[] Image { get; set; } = [];
    }

    private sealed class ScoredRow
    {
        public float[] Score { get; set; } = [];

        public uint[] PredictionSet { get; set; } = [];

        public bool Accepted { get; set; }
    }
}
