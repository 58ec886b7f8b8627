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

/// <summary>Adds the output of a network's backbone to a data view. Made by <c>FeaturizeImages</c>.</summary>
/// <remarks>Lazy and in batches as a classifier is, row by row for a prediction engine; several threads may use it.</remarks>
internal sealed class ImageFeaturizingTransformer : IImageScorer, IDisposable
{
    internal const string LoaderSignature = "ImageFeaturizer";

    private readonly IHost _host;
    private readonly Backbone _backbone;
    private readonly ClassifierDescription _description;
    private int _disposed;

    /// <summary>Takes the network over, once it is made.</summary>
    /// <exception cref="InvalidOperationException">The network has no head that could be told.</exception>
    public ImageFeaturizingTransformer(IHostEnvironment env, ImageClassifier network, string outputColumnName, string inputColumnName)
        : this(env, network, Describe(outputColumnName, inputColumnName))
    {
    }

    private ImageFeaturizingTransformer(IHostEnvironment env, ImageClassifier network, ClassifierDescription description)
    {
        _host = env.Register(nameof(ImageFeaturizingTransformer));
        _description = description;
        _backbone = new Backbone(network);
        ValuesPerImage = _backbone.FeatureCount;
        Classifier = network;
        Classifier.Companion = _backbone;
    }

    public ImageClassifier Classifier { get; }

    public int BatchSize => Classifier.BatchSize;

    public int ValuesPerImage { get; }

    bool ITransformer.IsRowToRowMapper => true;

    private static VersionInfo VersionInfo => ClassifierFile.GetVersionInfo("IMGFEATS", LoaderSignature);

    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return RowToRowMapperTransform.GetOutputSchema(inputSchema, new ScoringRowMapper(this, inputSchema));
    }

    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        ThrowIfDisposed();
        return new BatchScoringDataView(this, input);
    }

    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => ScoringRowMapper.Of(_host, this, inputSchema);

    public ImageColumn BindImages(DataViewSchema schema) =>
        ImageColumn.Bind(schema, _description.FeatureColumnName, Classifier.Shape, Classifier.PixelType.ToPixelType(),
            Classifier.Resizing);

    public DataViewSchema.DetachedColumn[] OutputColumns(DataViewSchema input) =>
        [new(_description.ScoreColumnName, new VectorDataViewType(NumberDataViewType.Single, ValuesPerImage), annotations: null)];

    public ImageBatch CreateBatch(int capacity) => new TensorBatch(Classifier, capacity, Score);

    private void Score(Tensor pixels, Span<float> values)
    {
        using ImageClassifier held = Classifier.Share(); // as for logits: nobody frees the network meanwhile
        using var inference = inference_mode();
        using DisposeScope scope = NewDisposeScope();
        using var features = _backbone.Features(pixels).to(CPU).to(float32).contiguous().data<float>();
        features.CopyTo(values);
    }

    public Delegate CreateGetter(int output, Func<ReadOnlySpan<float>> values) =>
        (ValueGetter<VBuffer<float>>)((ref VBuffer<float> features) => ProbabilityBuffer.Copy(values(), ref features));

    /// <summary>Featurizes one black image, so that a network that cannot take it is known at once.</summary>
    /// <exception cref="InvalidOperationException">The network cannot take the images, or does not end with its head.</exception>
    public void Try()
    {
        using DisposeScope scope = NewDisposeScope();
        (int channels, int height, int width) = Classifier.Shape;
        Score(zeros([1, channels, height, width], Classifier.PixelType, CPU), new float[ValuesPerImage]);
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
            Classifier.Dispose();
    }

    public void CheckOnnx(ImageColumn images) => throw new NotSupportedException(
        $"What FeaturizeImages makes of column '{images.Name}' is not written as ONNX. Leave it out, and convert what follows it.");

    public void AddToOnnx(OnnxContext context, BatchScoringDataView view) => CheckOnnx(view.Images);

    public void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);

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
