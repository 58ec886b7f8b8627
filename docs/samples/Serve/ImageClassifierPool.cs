using Microsoft.Extensions.ObjectPool;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;

namespace Serve;

/// <summary>
/// One model in memory, and as many prediction engines on it as there are requests at a time: a prediction engine serves one thread, the
/// model serves all.
/// </summary>
internal sealed class ImageClassifierPool : IImageClassifier
{
    private readonly ITransformer _model;
    private readonly ObjectPool<PredictionEngine<ImageRow, ScoredRow>> _engines;
    private readonly string[] _classNames;

    public ImageClassifierPool(string modelPath)
    {
        var mlContext = new MLContext();
        _model = mlContext.Model.Load(modelPath, out _);
        _engines = new DefaultObjectPoolProvider().Create(new EnginePolicy(mlContext, WithoutLabels(_model)));

        PredictionEngine<ImageRow, ScoredRow> engine = _engines.Get();
        _classNames = ClassNames(engine.OutputSchema["Score"]);
        _engines.Return(engine);
    }

    public IReadOnlyList<ClassProbability> Predict(byte[] image)
    {
        PredictionEngine<ImageRow, ScoredRow> engine = _engines.Get();
        float[] scores = engine.Predict(new ImageRow { Image = image }).Score;
        _engines.Return(engine);        // not after an exception: that engine is dropped
        return [.. _classNames.Zip(scores, (name, score) => new ClassProbability(name, score))
            .OrderByDescending(entry => entry.Probability)];
    }

    // Requests have no label, so nothing maps it, whatever its type was in training.
    private static ITransformer WithoutLabels(ITransformer model) => model is IEnumerable<ITransformer> chain
        ? new TransformerChain<ITransformer>([.. chain.Where(step => step is not ValueToKeyMappingTransformer)])
        : model;

    // Keys without values have no names; the classes are then counted.
    private static string[] ClassNames(DataViewSchema.Column score)
    {
        if (!score.HasSlotNames())
            return [.. Enumerable.Range(0, ((VectorDataViewType)score.Type).Size).Select(i => $"{i}")];
        VBuffer<ReadOnlyMemory<char>> names = default;
        score.GetSlotNames(ref names);
        return [.. names.DenseValues().Select(name => name.ToString())];
    }

    public void Dispose() => (_model as IDisposable)?.Dispose();

    private sealed class EnginePolicy(MLContext mlContext, ITransformer model) : PooledObjectPolicy<PredictionEngine<ImageRow, ScoredRow>>
    {
        // The model belongs to the pool, not to the engine.
        public override PredictionEngine<ImageRow, ScoredRow> Create() => mlContext.Model.CreatePredictionEngine<ImageRow, ScoredRow>(
            model, new PredictionEngineOptions { OwnsTransformer = false });

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
    }
}
