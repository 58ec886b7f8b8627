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
        _steps = [.. Steps(Load(mlContext, modelPath))];
        _engines = new DefaultObjectPoolProvider().Create(new EnginePolicy(mlContext, new TransformerChain<ITransformer>(_steps)));
        ITransformer[] decisions = [.. _steps.SelectMany(step => step is OnnxImageClassifierTransformer onnx ? onnx.Decisions : [step])];
        _sets = decisions.OfType<PredictionSetTransformer>().LastOrDefault();
        _abstains = decisions.OfType<AbstentionTransformer>().Any();

        PredictionEngine<ImageRow, ScoredRow> engine = _engines.Get();
        _classNames = ClassNames(engine.OutputSchema["Score"]);
        _engines.Return(engine);
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
            _sets?.Coverage,
            _abstains ? row.Accepted : null);
    }

    public void Dispose()
    {
        foreach (ITransformer step in _steps)
            (step as IDisposable)?.Dispose();
    }

    private static ITransformer Load(MLContext mlContext, string path) => Path.GetExtension(path) == ".onnx"
        ? mlContext.Transforms.ScoreOnnxImageClassifier(path, featureColumnName: "Image", configureSession: Configure)
            .Fit(mlContext.Data.LoadFromEnumerable<ImageRow>([]))
        : mlContext.Model.Load(path, out _);

    // A request has no label, so nothing maps it, whatever its type was in training.
    private static IEnumerable<ITransformer> Steps(ITransformer model) => model switch
    {
        IEnumerable<ITransformer> chain => chain.SelectMany(Steps),
        ValueToKeyMappingTransformer => [],
        OnnxImageClassifierTransformer onnx => [onnx.WithSession(Configure)],
        _ => [model],
    };

    // A thread a request: the requests keep the processors busy. (ONNX Runtime's arena stays on: without it the C library keeps more.)
    private static void Configure(OnnxOptions options) => options.IntraOpNumThreads = 1;

    // Keys without values have no names; the classes are then counted.
    private static string[] ClassNames(DataViewSchema.Column score)
    {
        if (!score.HasSlotNames())
            return [.. Enumerable.Range(0, ((VectorDataViewType)score.Type).Size).Select(i => $"{i}")];
        VBuffer<ReadOnlyMemory<char>> names = default;
        score.GetSlotNames(ref names);
        return [.. names.DenseValues().Select(name => name.ToString())];
    }

    private sealed class EnginePolicy(MLContext mlContext, ITransformer model) : PooledObjectPolicy<PredictionEngine<ImageRow, ScoredRow>>
    {
        // The model belongs to the pool, not to the engine. Not every model has sets, or abstains.
        public override PredictionEngine<ImageRow, ScoredRow> Create() => mlContext.Model.CreatePredictionEngine<ImageRow, ScoredRow>(
            model, new PredictionEngineOptions { OwnsTransformer = false, IgnoreMissingColumns = true });

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
