using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Model.OnnxConverter;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.Runtime;
using Microsoft.ML.SharpnessAware;

[assembly: LoadableClass(typeof(OnnxImageClassifierTransformer), null, typeof(SignatureLoadModel), "Image classifier in ONNX Runtime",
    OnnxModelFile.LoaderSignature)]

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// An image classifier that SaveOnnx has written, scored by ONNX Runtime: adds calibrated class probabilities (Score) and the most probable
/// class (PredictedLabel) to a data view, as the classifier that it was saved from does, and what the decisions behind that add.
/// </summary>
/// <remarks>
/// <para><see cref="Transform"/> is lazy and scores in batches; a prediction engine scores row by row. Pictures are decoded and resized by
/// the code that the trainer uses, so the scores are those of the trained model to 10⁻⁵. Several threads may use one transformer at once.
/// It holds native memory: dispose it when it is no longer needed.</para>
/// <para>Saved by <c>mlContext.Model.Save</c> with the ONNX file inside, and read by <c>mlContext.Model.Load</c>, which then needs neither
/// the file nor libtorch.</para>
/// </remarks>
public sealed class OnnxImageClassifierTransformer : ITransformer, IImageScorer, IDisposable
{
    private readonly IHost _host;
    private readonly OnnxClassifier _classifier;
    private readonly OnnxColumnNames _names;
    private int _disposed;

    /// <summary>Takes the classifier over.</summary>
    internal OnnxImageClassifierTransformer(IHostEnvironment env, OnnxClassifier classifier, OnnxColumnNames names)
    {
        _host = env.Register(nameof(OnnxImageClassifierTransformer));
        _classifier = classifier;
        _names = names;
        Decisions = OnnxDecisions.Of(classifier.Metadata, names.Score);
    }

    /// <summary>The classes in the order of Score, as text; "0", "1", … where the training label's key had no values.</summary>
    public IReadOnlyList<string> ClassNames => _classifier.Metadata.ClassNames;

    /// <summary>The network's name: that of the trainer's <c>Options.Arch</c>, and the network that was chosen where that is
    /// "auto".</summary>
    public string Architecture => _classifier.Metadata.Architecture;

    /// <summary>The temperature of the classifier that was saved, which is part of the file; 1 without temperature scaling.</summary>
    public double Temperature => _classifier.Metadata.Temperature;

    /// <summary>What stood behind the classifier that was saved, and is part of the file: a <see cref="PredictionSetTransformer"/> or an
    /// <see cref="AbstentionTransformer"/>, whose columns are added too. Empty for most files.</summary>
    public IReadOnlyList<ITransformer> Decisions { get; }

    /// <summary>The same model in another session of ONNX Runtime, for one that was loaded with a pipeline: with other threads, or on
    /// another execution provider.</summary>
    /// <param name="configure">Changes the settings of the session.</param>
    /// <returns>A transformer of its own. Each is disposed on its own.</returns>
    /// <exception cref="InvalidOperationException">The model cannot be loaded with such settings.</exception>
    public OnnxImageClassifierTransformer WithSession(Action<SessionOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        ThrowIfDisposed();
        return new(_host, OnnxClassifier.Load(_host, _classifier.File, "The model", configure), _names);
    }

    /// <summary>The schema of <paramref name="inputSchema"/> with Score and PredictedLabel, and the columns of <see
    /// cref="Decisions"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The feature column is missing or of a type that the model does not take.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        DataViewSchema scored = RowToRowMapperTransform.GetOutputSchema(inputSchema, new ScoringRowMapper(this, inputSchema));
        return Decisions.Aggregate(scored, (schema, decision) => decision.GetOutputSchema(schema));
    }

    /// <summary>A view of <paramref name="input"/> with Score and PredictedLabel, computed in batches while it is read, and
    /// the columns of <see cref="Decisions"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The feature column is missing or of a type that the model does not take.</exception>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        ThrowIfDisposed();
        return Decisions.Aggregate((IDataView)new BatchScoringDataView(this, input), (view, decision) => decision.Transform(view));
    }

    /// <summary>Frees the native memory. May be called more than once, and while other threads score: what they have begun ends
    /// well.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
            _classifier.Dispose();
    }

    bool ITransformer.IsRowToRowMapper => true;

    IRowToRowMapper ITransformer.GetRowToRowMapper(DataViewSchema inputSchema)
    {
        List<IRowToRowMapper> mappers = [ScoringRowMapper.Of(_host, this, inputSchema)];
        foreach (ITransformer decision in Decisions)
            mappers.Add(decision.GetRowToRowMapper(mappers[^1].OutputSchema));
        return mappers.Count == 1 ? mappers[0] : new CompositeRowToRowMapper(inputSchema, [.. mappers]);
    }

    int IImageScorer.BatchSize => _classifier.BatchSize;

    int IImageScorer.ValuesPerImage => _classifier.NumberOfClasses;

    ImageColumn IImageScorer.BindImages(DataViewSchema schema) => BindImages(schema);

    DataViewSchema.DetachedColumn[] IImageScorer.OutputColumns(DataViewSchema input) => ScoreColumns.Create(
        input, _names.Score, _names.PredictedLabel, _classifier.NumberOfClasses, _classifier.Metadata.LabelValues);

    ImageBatch IImageScorer.CreateBatch(int capacity) => (_classifier.Metadata.PixelType, _classifier.TakesBytes) switch
    {
        (PixelType.Byte, true) => new OnnxBatch<byte, byte>(_classifier, capacity),
        (PixelType.Byte, false) => new OnnxBatch<byte, float>(_classifier, capacity),
        _ => new OnnxBatch<float, float>(_classifier, capacity),
    };

    Delegate IImageScorer.CreateGetter(int output, Func<ReadOnlySpan<float>> values) =>
        ProbabilityBuffer.Getter(output, values);

    void IImageScorer.ThrowIfDisposed() => ThrowIfDisposed();

    void IImageScorer.CheckOnnx(ImageColumn images) => throw new NotSupportedException(
        $"The model that scores column '{images.Name}' is an ONNX file already; give it on as it is.");

    void IImageScorer.AddToOnnx(OnnxContext context, BatchScoringDataView view) => ((IImageScorer)this).CheckOnnx(view.Images);

    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        ThrowIfDisposed();
        OnnxModelFile.Save(ctx, _classifier.File, _names);
    }

    /// <summary>The feature column of a schema.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is missing or of a type that the model does not take.</exception>
    internal ImageColumn BindImages(DataViewSchema schema) => ImageColumn.Bind(
        schema, _names.Feature, _classifier.Metadata.Shape, _classifier.Metadata.PixelType, _classifier.Metadata.Resizing);

    // Found by ML.NET by this name and signature.
    private static OnnxImageClassifierTransformer Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        (OnnxClassifier classifier, OnnxColumnNames names) = OnnxModelFile.Load(env, ctx);
        return new OnnxImageClassifierTransformer(env, classifier, names);
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
}
