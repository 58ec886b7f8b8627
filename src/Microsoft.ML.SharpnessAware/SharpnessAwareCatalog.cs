using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;

namespace Microsoft.ML;

/// <summary>The extension methods by which ML.NET users reach this library.</summary>
public static class SharpnessAwareCatalog
{
    /// <summary>
    /// Creates a trainer for image classifiers: end to end, by sharpness-aware minimisation, with calibrated probabilities.
    /// </summary>
    /// <param name="catalog">The multiclass classification trainers of an <see cref="MLContext"/>.</param>
    /// <param name="labelColumnName">The label: a key.</param>
    /// <param name="featureColumnName">
    /// The images: encoded bytes (variable-size vector), <see cref="MLImage"/>, or a fixed-size vector of pixels (of one dimension: all
    /// red, then green, then blue).
    /// </param>
    /// <param name="scoreColumnName">The output column of class probabilities.</param>
    /// <param name="predictedLabelColumnName">The output column of the most probable class.</param>
    /// <param name="method">What to minimise; by default <see cref="SharpnessAwareMethod.Csam"/>.</param>
    /// <param name="validationSet">Images to validate on. By default a tenth of the training images is set aside; where a training starts
    /// from weights, none for the head and a fifth for the whole network after it.</param>
    /// <example>
    /// <code>
    /// var pipeline = mlContext.Transforms.Conversion.MapValueToKey("Label")
    ///     .Append(mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(featureColumnName: "Image"))
    ///     .Append(mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
    /// ITransformer model = pipeline.Fit(mlContext.Data.LoadImagesFromFolder("photographs"));
    /// </code>
    /// </example>
    public static SharpnessAwareImageClassificationTrainer SharpnessAwareImageClassification(
        this MulticlassClassificationCatalog.MulticlassClassificationTrainers catalog,
        string labelColumnName = DefaultColumnNames.Label,
        string featureColumnName = DefaultColumnNames.Features,
        string scoreColumnName = DefaultColumnNames.Score,
        string predictedLabelColumnName = DefaultColumnNames.PredictedLabel,
        SharpnessAwareMethod? method = null,
        IDataView? validationSet = null)
    {
        var options = new SharpnessAwareImageClassificationTrainer.Options
        {
            LabelColumnName = labelColumnName,
            FeatureColumnName = featureColumnName,
            ScoreColumnName = scoreColumnName,
            PredictedLabelColumnName = predictedLabelColumnName,
            ValidationSet = validationSet,
        };
        if (method is not null)
            options.Method = method;
        return catalog.SharpnessAwareImageClassification(options);
    }

    /// <summary>Creates the trainer with all its settings.</summary>
    /// <param name="catalog">The multiclass classification trainers of an <see cref="MLContext"/>.</param>
    /// <param name="options">The settings; copied, so that later changes have no effect.</param>
    /// <exception cref="ArgumentException">A setting is out of its range.</exception>
    public static SharpnessAwareImageClassificationTrainer SharpnessAwareImageClassification(
        this MulticlassClassificationCatalog.MulticlassClassificationTrainers catalog,
        SharpnessAwareImageClassificationTrainer.Options options)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return new SharpnessAwareImageClassificationTrainer(CatalogUtils.GetEnvironment(catalog), options);
    }

    /// <summary>
    /// Turns images into the features that a network has learnt to see on many others: the output of its backbone, 512 numbers for
    /// <see cref="NetworkArchitecture.MLNetResNet18"/>, as a vector column that any of ML.NET's trainers takes.
    /// </summary>
    /// <remarks>
    /// <para>Linear trainers want features of about the same size: put <c>NormalizeMeanVariance</c> between. The features of an image are
    /// what the image trainer's own head learns from, so for a linear classifier with calibrated probabilities take
    /// <c>SharpnessAwareImageClassification</c> at once.</para>
    /// <para>Images pass through the network once each time that the column is read, in batches: put <c>AppendCacheCheckpoint</c> behind it
    /// where a trainer reads more than once. An image that cannot be read is an error that names its row and path; where the cache or a
    /// trainer reads ahead, ML.NET has it as the inner exception of one of its own. The weights are saved in the model. The model holds
    /// native memory: dispose it, or the chain that it is in.</para>
    /// </remarks>
    /// <param name="catalog">The transforms catalog, <c>mlContext.Transforms</c>.</param>
    /// <param name="outputColumnName">The column of features, a vector of Single.</param>
    /// <param name="inputColumnName">The images: encoded bytes (variable-size vector of Byte), <see cref="MLImage"/>, or a fixed-size
    /// vector of pixels (of one dimension: all red, then green, then blue).</param>
    /// <param name="arch">The network, a name of <see cref="NetworkArchitecture"/>. By default that of the file of weights, or
    /// <see cref="NetworkArchitecture.MLNetResNet18"/> where none is named.</param>
    /// <param name="weights">A file of weights, in any format that the image trainer's <c>InitialWeights</c> takes; by default those that
    /// a package has laid beside the application, see <see cref="PretrainedWeights"/>.</param>
    /// <param name="imageWidth">Width in pixels that images are resized to. Default: that of MLImages that have a size, else <paramref
    /// name="imageHeight"/> if that is given, else what the weights were trained at where their file tells, else 128 (224 for a vision
    /// transformer). Pixel vectors are never resized.</param>
    /// <param name="imageHeight">Height in pixels, likewise.</param>
    /// <param name="resizing">How images of another proportion are brought to that size.</param>
    /// <param name="device">"cpu", "cuda" or "cuda:N"; by default the GPU of <c>MLContext.GpuDeviceId</c>, else the first GPU where the
    /// application brought a CUDA backend, else the CPU. It is not saved: a model that is loaded takes the default.</param>
    /// <returns>An estimator, whose Fit reads the weights and no image.</returns>
    /// <exception cref="InvalidOperationException">No package has laid weights beside the application, and none are named.</exception>
    /// <exception cref="FileNotFoundException">There is no such file of weights.</exception>
    /// <exception cref="ArgumentException">An argument is out of its range.</exception>
    /// <example>
    /// <code>
    /// var pipeline = mlContext.Transforms.Conversion.MapValueToKey("Label")
    ///     .Append(mlContext.Transforms.FeaturizeImages("Features", "Image"))
    ///     .AppendCacheCheckpoint(mlContext)
    ///     .Append(mlContext.MulticlassClassification.Trainers.LightGbm());
    /// </code>
    /// </example>
    public static IEstimator<ImageFeaturizingTransformer> FeaturizeImages(
        this TransformsCatalog catalog,
        string outputColumnName = DefaultColumnNames.Features,
        string inputColumnName = "Image",
        string arch = NetworkArchitecture.Auto,
        string weights = PretrainedWeights.Auto,
        int? imageWidth = null,
        int? imageHeight = null,
        ResizingKind resizing = ResizingKind.Fill,
        string? device = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentException.ThrowIfNullOrWhiteSpace(outputColumnName);
        ArgumentException.ThrowIfNullOrWhiteSpace(inputColumnName);
        ArgumentException.ThrowIfNullOrWhiteSpace(arch);
        ArgumentException.ThrowIfNullOrWhiteSpace(weights);
        if (!Enum.IsDefined(resizing))
            throw new ArgumentOutOfRangeException(nameof(resizing), resizing, "Resizing must be Fill, IsoCrop or IsoPad.");
        ComputeDevice.CheckName(device, nameof(device));
        return new ImageFeaturizingEstimator(
            CatalogUtils.GetEnvironment(catalog), outputColumnName, inputColumnName, arch, weights,
            new ImageRequest(imageWidth, imageHeight) { Resizing = resizing }, device);
    }

    /// <summary>
    /// Writes a model with calibrators and decisions as one ONNX file; see
    /// <see cref="SharpnessAwareImageClassificationTransformer.SaveOnnx(string, OnnxExportOptions?)"/>.
    /// </summary>
    /// <param name="model">A classifier of this library, alone or in a chain with calibrators, prediction sets of the least ambiguous score
    /// and abstention behind it. What maps the label to keys
    /// before it, and keys to values behind it, is left out: a file that scores has no label, and names the class in
    /// PredictedLabel.</param>
    /// <param name="path">The file, usually with the extension .onnx.</param>
    /// <param name="options">How; by default opset 17 and pixels as the model was trained on.</param>
    /// <returns>Where <see cref="OnnxExportOptions.Quantize"/> is set what that did, else null.</returns>
    /// <exception cref="ArgumentException">There are no images to quantise with.</exception>
    /// <exception cref="NotSupportedException">The chain has another step, the network a layer that cannot be written, or an option is not
    /// offered.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static OnnxQuantizationReport? SaveOnnx(this ITransformer model, string path, OnnxExportOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        return OnnxExport.Save(path, model, options ?? new OnnxExportOptions());
    }
}
