using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Model.OnnxConverter;
using Microsoft.ML.Runtime;
using Microsoft.ML.SharpnessAware;
using TorchSharp;
using static TorchSharp.torch;

[assembly: LoadableClass(typeof(ImageFeaturizingTransformer), null, typeof(SignatureLoadModel),
    "Features of images by a network", ImageFeaturizingTransformer.LoaderSignature)]

namespace Microsoft.ML.SharpnessAware;

/// <summary>Adds to a data view the features of images: the output of a network's backbone, a vector. Made by
/// <c>mlContext.Transforms.FeaturizeImages</c>.</summary>
/// <remarks><see cref="Transform"/> is lazy and works in batches; a prediction engine works row by row. Several threads may use one
/// transformer at once. It holds native memory: dispose it when it is no longer needed. Saved by <c>mlContext.Model.Save</c>, weights
/// included, and read by <c>mlContext.Model.Load</c>.</remarks>
public sealed class ImageFeaturizingTransformer : ITransformer, IImageScorer, IDisposable
{
    internal const string LoaderSignature = "ImageFeaturizer";

    private readonly IHost _host;
    private readonly Backbone _backbone;
    private readonly ClassifierDescription _description;
    private int _disposed;

    /// <summary>Takes the network over, once it is made.</summary>
    /// <exception cref="InvalidOperationException">The network has no head that could be told.</exception>
    internal ImageFeaturizingTransformer(IHostEnvironment env, ImageClassifier network, string outputColumnName, string inputColumnName)
        : this(env, network, Describe(outputColumnName, inputColumnName))
    {
    }

    private ImageFeaturizingTransformer(IHostEnvironment env, ImageClassifier network, ClassifierDescription description)
    {
        _host = env.Register(nameof(ImageFeaturizingTransformer));
        _description = description;
        _backbone = new Backbone(network);
        FeatureCount = _backbone.FeatureCount;
        Classifier = network;
        Classifier.Companion = _backbone;
    }

    /// <summary>The network's name: a constant of <see cref="NetworkArchitecture"/>, or one that was registered.</summary>
    public string Architecture => Classifier.Architecture;

    /// <summary>How many features an image has: the length of the output column's vectors.</summary>
    public int FeatureCount { get; }

    internal ImageClassifier Classifier { get; }

    bool ITransformer.IsRowToRowMapper => true;

    int IImageScorer.BatchSize => Classifier.BatchSize;

    int IImageScorer.ValuesPerImage => FeatureCount;

    private static VersionInfo VersionInfo => ClassifierFile.GetVersionInfo("IMGFEATS", LoaderSignature);

    /// <summary>The schema of <paramref name="inputSchema"/> with the column of features.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The image column is missing or of a type that the model does not take.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return RowToRowMapperTransform.GetOutputSchema(inputSchema, new ScoringRowMapper(this, inputSchema));
    }

    /// <summary>A view of <paramref name="input"/> with the features, computed in batches while it is read.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The image column is missing or of a type that the model does not take.</exception>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        ThrowIfDisposed();
        return new BatchScoringDataView(this, input);
    }

    IRowToRowMapper ITransformer.GetRowToRowMapper(DataViewSchema inputSchema) => ScoringRowMapper.Of(_host, this, inputSchema);

    ImageColumn IImageScorer.BindImages(DataViewSchema schema) =>
        ImageColumn.Bind(schema, _description.FeatureColumnName, Classifier.Shape, Classifier.PixelType.ToPixelType(),
            Classifier.Resizing);

    DataViewSchema.DetachedColumn[] IImageScorer.OutputColumns(DataViewSchema input) =>
        [new(_description.ScoreColumnName, new VectorDataViewType(NumberDataViewType.Single, FeatureCount), annotations: null)];

    ImageBatch IImageScorer.CreateBatch(int capacity) => new TensorBatch(Classifier, capacity, Score);

    private void Score(Tensor pixels, Span<float> values)
    {
        using ImageClassifier held = Classifier.Share(); // as for logits: nobody frees the network meanwhile
        using var inference = inference_mode();
        using DisposeScope scope = NewDisposeScope();
        using var features = _backbone.Features(pixels).to(CPU).to(float32).contiguous().data<float>();
        features.CopyTo(values);
    }

    Delegate IImageScorer.CreateGetter(int output, Func<ReadOnlySpan<float>> values) =>
        (ValueGetter<VBuffer<float>>)((ref VBuffer<float> features) => ProbabilityBuffer.Copy(values(), ref features));

    /// <summary>Featurizes one black image, so that a network that cannot take it is known at once.</summary>
    /// <exception cref="InvalidOperationException">The network cannot take the images, or does not end with its head.</exception>
    internal void Try()
    {
        using DisposeScope scope = NewDisposeScope();
        (int channels, int height, int width) = Classifier.Shape;
        Score(zeros([1, channels, height, width], Classifier.PixelType, CPU), new float[FeatureCount]);
    }

    /// <summary>Frees the network's native memory. May be called more than once, and while other threads use the transformer: what they
    /// have begun ends well, and the memory goes with the last of it.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
            Classifier.Dispose();
    }

    void IImageScorer.CheckOnnx(ImageColumn images) => throw NotWritten(images);

    void IImageScorer.AddToOnnx(OnnxContext context, BatchScoringDataView view) => throw NotWritten(view.Images);

    void IImageScorer.ThrowIfDisposed() => ThrowIfDisposed();

    private static NotSupportedException NotWritten(ImageColumn images) => new(
        $"What FeaturizeImages makes of column '{images.Name}' is not written as ONNX. Leave it out, and convert what follows it.");

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);

    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        ThrowIfDisposed();
        using ImageClassifier held = Classifier.Share();
        ClassifierFile.Save(_host, ctx, held, _description, VersionInfo);
    }

    // Found by ML.NET by this name and signature.
    private static ImageFeaturizingTransformer Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        (ImageClassifier network, ClassifierDescription description) = ClassifierFile.Load(env, ctx, VersionInfo);
        try
        {
            return new ImageFeaturizingTransformer(env, network, description);
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <summary>A classifier's description in which only the columns tell something: so that one format, one reader and its checks do for
    /// both.</summary>
    private static ClassifierDescription Describe(string outputColumnName, string inputColumnName) => new()
    {
        FeatureColumnName = inputColumnName,
        ScoreColumnName = outputColumnName,
        PredictedLabelColumnName = outputColumnName,
        LabelValues = null,
        Method = SharpnessAwareMethod.Standard,
        Temperature = 1,
        History = [],
    };
}
