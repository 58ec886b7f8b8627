using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;

namespace Microsoft.ML;

/// <summary>The extension methods by which ML.NET users reach this library.</summary>
public static class SharpnessAwareCatalog
{
    /// <summary>
    /// Creates a trainer that trains an image classifier end to end by sharpness-aware minimisation and gives calibrated probabilities.
    /// </summary>
    /// <param name="catalog">The multiclass classification trainers of an <see cref="MLContext"/>.</param>
    /// <param name="labelColumnName">The label: a key.</param>
    /// <param name="featureColumnName">
    /// The images: encoded bytes (variable-size vector), <see cref="MLImage"/>, or a fixed-size vector of pixels.
    /// </param>
    /// <param name="scoreColumnName">The output column of class probabilities.</param>
    /// <param name="predictedLabelColumnName">The output column of the most probable class.</param>
    /// <param name="method">What to minimise; by default <see cref="SharpnessAwareMethod.Csam"/>.</param>
    /// <param name="validationSet">Images to validate on; by default a tenth of the training images is set aside.</param>
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
    /// Lists the images of a folder that has one sub-folder per class: <c>folder/cat/1.jpg</c>, <c>folder/dog/2.png</c>, …
    /// </summary>
    /// <remarks>
    /// Columns: <c>Label</c> (text, the name of the sub-folder), <c>ImagePath</c> (text, the full path) and <c>Image</c> (variable-size
    /// vector of Byte, the content of the file, read only when a row's Image is asked for). Classes and files come in the ordinal order of
    /// their names. Files with the extensions png, jpg, jpeg, gif, bmp and webp are images; hidden files are ignored; other files and
    /// folders are left out with a warning in <see cref="MLContext.Log"/>.
    /// </remarks>
    /// <param name="catalog">The data operations catalog, <c>mlContext.Data</c>.</param>
    /// <param name="folder">The folder that has the sub-folders.</param>
    /// <exception cref="DirectoryNotFoundException">The folder does not exist.</exception>
    /// <exception cref="InvalidDataException">The folder has no sub-folders, or none of them has an image.</exception>
    public static IDataView LoadImagesFromFolder(this DataOperationsCatalog catalog, string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return ImageFolder.Load(catalog.GetEnvironment(), folder);
    }

    /// <summary>Loads images and labels of the MNIST family (MNIST, Fashion-MNIST, KMNIST, EMNIST) into memory.</summary>
    /// <remarks>
    /// Columns: <c>Label</c> (text, the number of the class: "0", "1", …) and <c>Image</c> (vector of Byte with the dimensions 1 × height ×
    /// width, grey values 0 to 255), in the order of the files.
    /// </remarks>
    /// <param name="catalog">The data operations catalog, <c>mlContext.Data</c>.</param>
    /// <param name="imagesPath">The images, for example <c>train-images-idx3-ubyte.gz</c>; compressed with gzip or not, whatever the
    /// name.</param>
    /// <param name="labelsPath">The labels, for example <c>train-labels-idx1-ubyte.gz</c>.</param>
    /// <exception cref="FileNotFoundException">A file does not exist.</exception>
    /// <exception cref="InvalidDataException">A file is not in this format, truncated or too long, or the numbers of images and labels
    /// differ.</exception>
    public static IDataView LoadImagesFromIdx(this DataOperationsCatalog catalog, string imagesPath, string labelsPath)
    {
        ArgumentException.ThrowIfNullOrEmpty(imagesPath);
        ArgumentException.ThrowIfNullOrEmpty(labelsPath);
        return IdxFile.Load(catalog.GetEnvironment(), imagesPath, labelsPath);
    }

    /// <summary>Loads files of the binary version of CIFAR-10 or CIFAR-100 into memory, one after the other.</summary>
    /// <remarks>
    /// Columns: <c>Label</c> (text, the number of the class, for CIFAR-100 of the fine class: "0", "1", …) and <c>Image</c> (vector of Byte
    /// with the dimensions 3 × 32 × 32: red, green, blue). The length of a file tells which of the two it is: records of 3073 or of 3074
    /// bytes; if it suits both, it is CIFAR-10 unless a label says otherwise.
    /// </remarks>
    /// <param name="catalog">The data operations catalog, <c>mlContext.Data</c>.</param>
    /// <param name="paths">The files, all of the same of the two, for example <c>data_batch_1.bin</c> to <c>data_batch_5.bin</c>.</param>
    /// <exception cref="FileNotFoundException">A file does not exist.</exception>
    /// <exception cref="InvalidDataException">A file is not in this format or truncated, or CIFAR-10 and CIFAR-100 are mixed.</exception>
    public static IDataView LoadImagesFromCifar(this DataOperationsCatalog catalog, params string[] paths)
    {
        ArgumentNullException.ThrowIfNull(paths);
        return CifarFile.Load(catalog.GetEnvironment(), paths);
    }

    /// <summary>
    /// Measures how well the probabilities of a multiclass model match what happened, whatever trainer made them. One pass over the two
    /// columns.
    /// </summary>
    /// <param name="catalog">The multiclass catalog of the context.</param>
    /// <param name="data">Scored data, as <c>model.Transform(testData)</c> gives it.</param>
    /// <param name="labelColumnName">The true class: a key with as many values as there are scores.</param>
    /// <param name="scoreColumnName">The class probabilities: a vector of known size of <see cref="float"/>. Each row must sum to 1 within
    /// 0.01.</param>
    /// <param name="numberOfBins">The number of confidence bins. 15 is the usual choice (Guo et al. 2017), so numbers can be compared with
    /// the literature.</param>
    /// <param name="topKPredictionCount">STUB.</param>
    /// <returns>The metrics, with the reliability diagram.</returns>
    /// <remarks>
    /// Rows with a missing or unknown label, or with a NaN or infinite score, are left out as <c>Evaluate</c> leaves them out; they are
    /// counted in <see cref="MulticlassCalibrationMetrics.SkippedRows"/> and reported as a warning to the context's log.
    /// </remarks>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or has another type, the label's key count is not the number of
    /// scores, or <paramref name="numberOfBins"/> is out of range.</exception>
    /// <exception cref="InvalidOperationException">There is no row to evaluate, or scores are not probabilities (negative, above 1, or a
    /// sum far from 1); the message names the row.</exception>
    /// <example>
    /// <code>
    /// MulticlassCalibrationMetrics metrics = mlContext.MulticlassClassification.EvaluateCalibration(model.Transform(testData));
    /// Console.WriteLine(metrics);
    /// metrics.ReliabilityDiagram.SavePng("reliability.png");
    /// </code>
    /// </example>
    public static MulticlassCalibrationMetrics EvaluateCalibration(this MulticlassClassificationCatalog catalog, IDataView data,
        string labelColumnName = "Label", string scoreColumnName = "Score", int numberOfBins = 15, int topKPredictionCount = 0)
        => CalibrationEvaluator.Evaluate(catalog.GetEnvironment(), data, labelColumnName, scoreColumnName, numberOfBins, topKPredictionCount);
}
