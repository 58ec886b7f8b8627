using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Model.OnnxConverter;
using Microsoft.ML.Runtime;
using Microsoft.ML.SharpnessAware;
using static TorchSharp.torch;

[assembly: LoadableClass(typeof(SharpnessAwareImageClassificationTransformer), null, typeof(SignatureLoadModel),
    "Sharpness-aware image classifier", ClassifierFile.LoaderSignature)]

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A trained image classifier: adds calibrated class probabilities (Score) and the most probable class (PredictedLabel) to a data view.
/// </summary>
/// <remarks>
/// <para><see cref="Transform"/> is lazy and scores in batches; a prediction engine scores row by row. Both take encoded images,
/// MLImages and vectors of bytes, whichever of these the model was trained on, or, where it was trained on vectors of floats, such vectors
/// alone. Grey images are converted to colour, and colour images to grey, where the model was trained on the other.</para>
/// <para>Several threads may use one transformer at once. It holds native memory: dispose it when it is no longer needed. Saved by
/// <c>mlContext.Model.Save</c> and read by <c>mlContext.Model.Load</c>; the weights are stored as plain tensors (safetensors), never as
/// code.</para>
/// <para>A file whose classifier is damaged is refused with <see cref="FormatException"/>, or with <see cref="InvalidDataException"/>
/// where the network is not known (see <see cref="NetworkArchitecture"/>.Register) or the weights are not of it. ML.NET wraps what its
/// loaders throw in <see cref="System.Reflection.TargetInvocationException"/>, so look at <see cref="Exception.GetBaseException"/>; for
/// the rest of a damaged file it throws exceptions of its own. <c>Model.Load</c> makes the classes that the file names: load files that
/// you trust, as SECURITY.md says.</para>
/// </remarks>
public sealed class SharpnessAwareImageClassificationTransformer : ITransformer, IImageScorer, IDisposable
{
    private readonly IHost _host;
    private readonly ClassifierDescription _description;
    private int _disposed;

    internal SharpnessAwareImageClassificationTransformer(IHostEnvironment env, ImageClassifier classifier,
        ClassifierDescription description)
    {
        _host = env.Register(nameof(SharpnessAwareImageClassificationTransformer));
        Classifier = classifier;
        _description = description;
        ClassNames = description.LabelValues?.Names
            ?? [.. Enumerable.Range(0, classifier.NumberOfClasses).Select(i => $"{i}")];
    }

    internal SharpnessAwareImageClassificationTransformer(IHostEnvironment env, SavedClassifier saved)
        : this(env, saved.Classifier, saved.Description)
    {
    }

    /// <summary>The temperature T that Score is computed with, softmax(logits / T); 1 without temperature scaling.</summary>
    public double Temperature => _description.Temperature;

    /// <summary>The classes in the order of Score, as text; "0", "1", … where the training label's key had no values.</summary>
    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>The network's name, a constant of <see cref="NetworkArchitecture"/> or of one's own: that of the trainer's
    /// <c>Options.Arch</c>, and the network that was chosen where that is "auto".</summary>
    public string Architecture => Classifier.Architecture;

    /// <summary>The method that the network was trained by, also where fine-tuning chose it; <see cref="SharpnessAwareMethod.Standard"/>
    /// where its head alone was fitted.</summary>
    public SharpnessAwareMethod Method => _description.Method;

    /// <summary>One entry for each epoch of the training.</summary>
    public IReadOnlyList<EpochMetrics> History => _description.History;

    internal ImageClassifier Classifier { get; }

    internal ClassifierDescription Description => _description;

    internal IHost Host => _host;

    /// <summary>The same classifier with another temperature; 1 gives the network's own, uncalibrated probabilities.</summary>
    /// <param name="temperature">T, from 0.01 to 100. Above 1 makes the classifier less confident, below 1 more; the predicted class never
    /// changes.</param>
    /// <returns>A transformer that shares this one's network. Each is disposed on its own.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="temperature"/> is not in that range.</exception>
    public SharpnessAwareImageClassificationTransformer WithTemperature(double temperature)
    {
        TemperatureScaling.CheckTemperature(temperature, nameof(temperature));
        ThrowIfDisposed();
        return new(_host, Classifier.Share(), _description with { Temperature = temperature });
    }

    /// <summary>The same classifier on another device, for a model that <c>Model.Load</c> has put where the MLContext says.</summary>
    /// <param name="device">"cpu", "cuda" or "cuda:N".</param>
    /// <returns>A transformer with a copy of the network there, or one that shares this one's network where that is there already. Each
    /// is disposed on its own.</returns>
    /// <exception cref="ArgumentException"><paramref name="device"/> is none of these.</exception>
    /// <exception cref="InvalidOperationException">There is no such GPU, and <c>MLContext.FallbackToCpu</c> is off.</exception>
    public SharpnessAwareImageClassificationTransformer WithDevice(string device)
    {
        ArgumentNullException.ThrowIfNull(device);
        ComputeDevice.CheckName(device, nameof(device));
        ThrowIfDisposed();
        Device chosen = HostDevice.Choose(_host, device);
        if (chosen.type == Classifier.Device.type && chosen.index == Classifier.Device.index)
            return new(_host, Classifier.Share(), _description);
        using ImageClassifier held = Classifier.Share();
        return new(_host, ClassifierCopy.Of(held, chosen, TorchRandom.Isolated), _description);
    }

    /// <summary>
    /// Writes the network's weights as a safetensors file, which PyTorch and other libraries read, and which
    /// <c>Options.InitialWeights</c> takes.
    /// </summary>
    /// <remarks>
    /// The tensors have torchvision's names for ResNet-18, 34 and 50, timm's for the vision transformers, and those of the module for a
    /// network of your own; batch norm's statistics are among them. The file's metadata tells architecture, input size, normalisation
    /// (pixel_mean and pixel_std, in units of the pixels: 0 to 255 where pixel_type is uint8), temperature and class names, where the
    /// classes have any. The file appears only when it is complete; one that was there is replaced. Folders are created.
    /// </remarks>
    /// <param name="path">The file, usually with the extension .safetensors.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void SaveWeights(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ThrowIfDisposed();
        using ImageClassifier held = Classifier.Share();
        WeightsFile.Save(path, held, Temperature, _description.LabelValues?.Names ?? []);
    }

    /// <summary>
    /// Writes the model as an ONNX file, which ONNX Runtime scores without libtorch: pixels in, probabilities and the name of the most
    /// probable class out. Normalisation, network (batch norm made part of the convolutions), temperature and softmax are in it.
    /// </summary>
    /// <remarks>
    /// <para>The input has the name of the feature column and takes any number of images of the model's size, [rows, channels, height,
    /// width]; see <see cref="OnnxExportOptions"/> for other orders and types. The outputs have the names of Score, float32 [rows,
    /// classes], and PredictedLabel, text [rows]. The file's metadata tells architecture, input size, pixel type and order, resize mode,
    /// temperature and class names.</para>
    /// <para>A network of your own must consist of layers that are known, or implement <see cref="IOnnxNetwork"/>. A model with
    /// calibrators behind it is written by the method of the same name on the whole chain. The file appears only when it is complete; one
    /// that was there is replaced. Folders are created.</para>
    /// </remarks>
    /// <param name="path">The file, usually with the extension .onnx.</param>
    /// <param name="options">How; by default opset 17 and pixels as the model was trained on.</param>
    /// <returns>Where <see cref="OnnxExportOptions.Quantize"/> is set what that did, else null.</returns>
    /// <exception cref="ArgumentException">There are no images to quantise with.</exception>
    /// <exception cref="NotSupportedException">The network has a layer that cannot be written, or an option is not offered.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public OnnxQuantizationReport? SaveOnnx(string path, OnnxExportOptions? options = null)
    {
        ThrowIfDisposed();
        return OnnxExport.Save(path, this, [], options ?? new OnnxExportOptions());
    }

    /// <summary>The schema of <paramref name="inputSchema"/> with Score and PredictedLabel.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The feature column is missing or of a type that the model does not take.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return RowToRowMapperTransform.GetOutputSchema(inputSchema, new ScoringRowMapper(this, inputSchema));
    }

    /// <summary>A view of <paramref name="input"/> with Score and PredictedLabel, computed in batches while it is read.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The feature column is missing or of a type that the model does not take.</exception>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        ThrowIfDisposed();
        return new BatchScoringDataView(this, input);
    }

    /// <summary>
    /// Frees the network's native memory, unless another transformer shares it. May be called more than once, and while other threads
    /// score: what they have begun ends well, and the memory goes with the last of it.
    /// </summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
            Classifier.Dispose();
    }

    bool ITransformer.IsRowToRowMapper => true;

    IRowToRowMapper ITransformer.GetRowToRowMapper(DataViewSchema inputSchema) => ScoringRowMapper.Of(_host, this, inputSchema);

    int IImageScorer.BatchSize => Classifier.BatchSize;

    int IImageScorer.ValuesPerImage => Classifier.NumberOfClasses;

    ImageColumn IImageScorer.BindImages(DataViewSchema schema) => BindImages(schema);

    DataViewSchema.DetachedColumn[] IImageScorer.OutputColumns(DataViewSchema input) => OutputColumns(input);

    ImageBatch IImageScorer.CreateBatch(int capacity) => new TensorBatch(Classifier, capacity,
        (pixels, values) => Classifier.Probabilities(pixels, Temperature, values));

    Delegate IImageScorer.CreateGetter(int output, Func<ReadOnlySpan<float>> values) =>
        ProbabilityBuffer.Getter(output, values);

    void IImageScorer.ThrowIfDisposed() => ThrowIfDisposed();

    void IImageScorer.CheckOnnx(ImageColumn images) => ClassifierConversion.Check(images);

    void IImageScorer.AddToOnnx(OnnxContext context, BatchScoringDataView view) => ClassifierConversion.AddTo(context, view, this);

    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        ThrowIfDisposed();
        using ImageClassifier held = Classifier.Share();
        ClassifierFile.Save(_host, ctx, held, _description);
    }

    // Found by ML.NET by this name and signature.
    private static SharpnessAwareImageClassificationTransformer Create(IHostEnvironment env, ModelLoadContext ctx) =>
        new(env, ClassifierFile.Load(env, ctx));

    internal DataViewSchema.DetachedColumn[] OutputColumns(DataViewSchema input) => ScoreColumns.Create(
        input, _description.ScoreColumnName, _description.PredictedLabelColumnName, Classifier.NumberOfClasses, _description.LabelValues);

    internal ImageColumn BindImages(DataViewSchema schema) =>
        ImageColumn.Bind(schema, _description.FeatureColumnName, Classifier.Shape, Classifier.PixelType.ToPixelType(),
            Classifier.Resizing);

    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
}
