using System.Diagnostics;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The images of a training that starts from weights: as features of the backbone, for the head, and as pixels where the whole network may
/// be trained after it.
/// </summary>
/// <remarks>
/// Pictures go through the backbone as they are read, so that memory holds features, a batch, and of the pixels no more than the whole
/// network could be trained on within the time given. The source is read once, whatever follows. With a WorkspacePath all pixels are in its
/// file.
/// </remarks>
internal sealed class FineTuningImages : IDisposable
{
    private FineTuningImages(TrainingImages features, TrainingImages? pixels, long start) =>
        (Features, Pixels, Start) = (features, pixels, start);

    /// <summary>As pixels [N, features, 1, 1].</summary>
    public TrainingImages Features { get; }

    /// <summary>The same rows; null where they were not kept.</summary>
    public TrainingImages? Pixels { get; }

    /// <summary>The <see cref="Stopwatch"/>'s time when the first image was read, or the first of those that had been read before went
    /// through the backbone.</summary>
    public long Start { get; }

    public long TrainingCount => Features.Training.Count;

    /// <summary>Null where there are none.</summary>
    public long? ValidationCount => Features.Validation?.Count;

    /// <summary>Images that were read are sent through the backbone.</summary>
    /// <param name="pixels">The images, taken over.</param>
    /// <param name="classifier">The network.</param>
    /// <param name="context">Says whether it was cancelled.</param>
    public static FineTuningImages Of(TrainingImages pixels, ImageClassifier classifier, TrainingContext context)
    {
        long start = Stopwatch.GetTimestamp();
        using var backbone = new Backbone(classifier);
        ImageDataset training = Features(pixels.Training);
        try
        {
            return new(new(training, pixels.Validation is ImageDataset validation ? Features(validation) : null), pixels, start);
        }
        catch
        {
            training.Dispose();
            throw;
        }

        ImageDataset Features(ImageDataset images) => BackboneFeatures.Of(backbone, images, classifier.BatchSize, context.CheckCancelled);
    }

    /// <summary>Images are sent through the backbone as they are read.</summary>
    /// <param name="input">The images to train on.</param>
    /// <param name="options">Name the columns and the validation set.</param>
    /// <param name="labelValues">The names of the classes.</param>
    /// <param name="classifier">The network.</param>
    /// <param name="areWanted">Whether the pixels of so many images to train on, and of so many to validate on, are few enough to
    /// keep.</param>
    /// <param name="context">Where it logs, and whether it was cancelled.</param>
    /// <exception cref="InvalidOperationException">An image or a label cannot be used, or there is only one class.</exception>
    public static FineTuningImages Read(IDataView input, Options options, LabelValues? labelValues, ImageClassifier classifier,
        Func<long, long, bool> areWanted, TrainingContext context)
    {
        long start = Stopwatch.GetTimestamp();
        using var backbone = new Backbone(classifier);
        (ImageDataset training, ImageDataset? pixels) = Read(input, isValidationSet: false, count => areWanted(count, 0));
        ImageDataset? validation = null, validationPixels = null;
        try
        {
            TrainingImages.CheckClasses(training, options, labelValues, context.Channel);
            if (options.ValidationSet is IDataView set)
            {
                (validation, validationPixels) = Read(
                    set, isValidationSet: true, count => pixels is not null && areWanted(training.Count, count));
                if (validationPixels is null)
                {
                    pixels?.Dispose(); // they would be divided otherwise than their features
                    pixels = null;
                }
            }

            return new(new(training, validation), pixels is null ? null : new(pixels, validationPixels), start);
        }
        catch
        {
            training.Dispose();
            pixels?.Dispose();
            validation?.Dispose();
            validationPixels?.Dispose();
            throw;
        }

        (ImageDataset Features, ImageDataset? Pixels) Read(IDataView data, bool isValidationSet, Func<long, bool> keepsPixels)
        {
            FeatureSink? sink = null;
            ImageDataset features = TrainingImages.Read(data, options, new(classifier.Shape, options.Resizing), context,
                expected => sink = new FeatureSink(backbone, classifier.Shape, classifier.BatchSize, expected, keepsPixels),
                isValidationSet: isValidationSet);
            return (features, sink!.Pixels is ImagePixels kept ? features.WithPixels(kept) : null);
        }
    }

    public void Dispose()
    {
        Features.Dispose();
        Pixels?.Dispose();
    }
}
