using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.SharpnessAware;

namespace Microsoft.ML;

/// <summary>The extension method that scores by a saved image classifier in ONNX Runtime.</summary>
public static class OnnxImageClassifierCatalog
{
    /// <summary>
    /// Scores images by a model that <c>SaveOnnx</c> has written, in ONNX Runtime: adds the columns Score and PredictedLabel that the
    /// trained model would add, with the same annotations, and those of prediction sets and abstention that were saved with it. Needs no
    /// libtorch.
    /// </summary>
    /// <remarks>
    /// Images are decoded, turned and resized as in training; a bad one throws from the getter of its own row. The application adds the
    /// package of ONNX Runtime that it runs on: Microsoft.ML.OnnxRuntime (CPU), Microsoft.ML.OnnxRuntime.Gpu or
    /// Microsoft.ML.OnnxRuntime.DirectML. The file is read at once, so one that cannot be used is known before there is data.
    /// </remarks>
    /// <param name="catalog">The transforms catalog, <c>mlContext.Transforms</c>.</param>
    /// <param name="modelPath">The file.</param>
    /// <param name="featureColumnName">The images: encoded bytes (variable-size vector of Byte), <see cref="MLImage"/>, or a fixed-size
    /// vector of pixels. Null takes the name of the column that the model was trained on.</param>
    /// <param name="scoreColumnName">The output column of class probabilities; null takes the trained model's.</param>
    /// <param name="predictedLabelColumnName">The output column of the most probable class; null takes the trained model's.</param>
    /// <param name="configureSession">Changes how ONNX Runtime runs the model: threads, or another execution provider
    /// (<c>options => options.AppendExecutionProvider_CoreML()</c>), from ONNX Runtime's defaults. It is not saved with the pipeline. Null
    /// takes the CPU, or CUDA where <see cref="MLContext.GpuDeviceId"/> is set, before and after loading; where that GPU cannot be used and
    /// <see cref="MLContext.FallbackToCpu"/> is set, the CPU with a warning. On the CPU, threads then sleep while they wait, and full
    /// batches are shared out among the processors.</param>
    /// <returns>An estimator, whose Fit reads the schema and no image.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="IOException">It is a folder, or cannot be read.</exception>
    /// <exception cref="InvalidDataException">The file is damaged, or not one of SaveOnnx: the message says what it takes and
    /// gives.</exception>
    /// <exception cref="InvalidOperationException">The native library of ONNX Runtime is missing, and the message names the package; the
    /// GPU of the context cannot be used, and it does not fall back; or the file cannot be loaded with the settings of <paramref
    /// name="configureSession"/>.</exception>
    /// <example>
    /// <code>
    /// var pipeline = mlContext.Transforms.ScoreOnnxImageClassifier("pets.onnx", featureColumnName: "Image")
    ///     .Append(mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
    /// IDataView photographs = mlContext.Data.LoadImagesFromFolder("photographs");
    /// ITransformer model = pipeline.Fit(photographs);
    /// mlContext.Model.Save(model, photographs.Schema, "pets.zip");      // with the ONNX file in it
    /// </code>
    /// </example>
    public static IEstimator<OnnxImageClassifierTransformer> ScoreOnnxImageClassifier(
        this TransformsCatalog catalog,
        string modelPath,
        string? featureColumnName = null,
        string? scoreColumnName = null,
        string? predictedLabelColumnName = null,
        Action<SessionOptions>? configureSession = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentException.ThrowIfNullOrEmpty(modelPath);
        return new OnnxImageClassifierEstimator(CatalogUtils.GetEnvironment(catalog), modelPath, NotEmpty(featureColumnName),
            NotEmpty(scoreColumnName), NotEmpty(predictedLabelColumnName), configureSession);
    }

    private static string? NotEmpty(
        string? name, [System.Runtime.CompilerServices.CallerArgumentExpression(nameof(name))] string? of = null)
    {
        if (name is not null)
            ArgumentException.ThrowIfNullOrWhiteSpace(name, of);
        return name;
    }
}
