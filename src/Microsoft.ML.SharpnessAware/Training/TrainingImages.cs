using Microsoft.ML.Runtime;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The images of a training, read: those to train on and those to validate on.</summary>
internal sealed class TrainingImages : IDisposable
{
    public TrainingImages(ImageDataset training, ImageDataset? validation) => (Training, Validation) = (training, validation);

    public ImageDataset Training { get; }

    /// <summary>Null where there are none.</summary>
    public ImageDataset? Validation { get; }

    /// <summary>Reads the training data and, where the options give one, the validation set, or else sets a part aside.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of a type that the trainer does not take.</exception>
    /// <exception cref="InvalidOperationException">An image or a label cannot be used, there is only one class, or the validation set has
    /// other classes.</exception>
    public static TrainingImages Load(IDataView input, Options options, LabelValues? labelValues, TrainingContext context)
    {
        ProcessGroup? sharedBy = options.Sharding == DataSharding.ByRow ? options.Group : null;
        ImageDataset all = Read(input, options, options.ImageRequest, context, sharedBy: sharedBy);
        try
        {
            if (options.OrderOfShares is int shares)
            {
                ImageDataset inOrder = all.InOrderOf(shares);
                all.Dispose();
                all = inOrder;
            }
            CheckClasses(all, options, labelValues, context.Channel);
            if (options.ValidationSet is IDataView set)
            {
                return new(all, Read(set, options, new ImageRequest(all.Shape, options.Resizing), context, sharedBy: sharedBy,
                    isValidationSet: true));
            }

            (long[] trainingRows, long[] validationRows) =
                StratifiedSplit.Split(all.Labels.data<long>().ToArray(), options.ValidationSetFraction ?? 0, context.Seed);
            if (validationRows.Length == 0)
                return new(all, null);
            using (all)
                return new(all.Subset(trainingRows), all.Subset(validationRows));
        }
        catch
        {
            all.Dispose();
            throw;
        }
    }

    /// <summary>The same images with a part of those to train on set aside, where there are none to validate on.</summary>
    /// <param name="fraction">Its share.</param>
    /// <param name="seed">The same seed sets the same rows aside.</param>
    /// <param name="together">Whether they follow each other in each class, or are drawn at random.</param>
    public TrainingImages SetAside(double fraction, int seed, bool together = false)
    {
        long[] labels = Training.Labels.data<long>().ToArray();
        (long[] training, long[] validation) = together
            ? StratifiedSplit.SplitTogether(labels, fraction, seed) : StratifiedSplit.Split(labels, fraction, seed);
        return validation.Length > 0 ? new(Training.Subset(training), Training.Subset(validation)) : new(Training.Subset(training), null);
    }

    /// <summary>The same images and validation images, to be disposed on their own.</summary>
    public TrainingImages WithOwnValidation() => new(All(Training), Validation is null ? null : All(Validation));

    private static ImageDataset All(ImageDataset data) => data.Subset([.. Enumerable.Range(0, (int)data.Count).Select(row => (long)row)]);

    public void Dispose()
    {
        Training.Dispose();
        Validation?.Dispose();
    }

    /// <summary>Reads the images of one data view.</summary>
    /// <param name="data">The rows.</param>
    /// <param name="options">Name the columns, and say what to do about bad images.</param>
    /// <param name="request">Size and channels.</param>
    /// <param name="context">Where it logs, and whether it was cancelled.</param>
    /// <param name="sink">Where pixels go, see <see cref="ImageDataset.Load"/>.</param>
    /// <param name="sharedBy">Who shares them out, see <see cref="ImageDataset.Load"/>.</param>
    /// <param name="isValidationSet">Whether it is the options' validation set, which errors and the log say then.</param>
    public static ImageDataset Read(IDataView data, Options options, ImageRequest request, TrainingContext context,
        Func<long?, PixelSink>? sink = null, ProcessGroup? sharedBy = null, bool isValidationSet = false)
    {
        IChannel channel = context.Channel;
        string whose = isValidationSet ? ValidationSetErrors.Prefix : "";
        PixelCache? cache = options.WorkspacePath is string folder ? new PixelCache(folder, message => channel.Info(message)) : null;
        string ofOwn = "";
        Action<string> warn = sharedBy is null ? warning => channel.Warning(whose + warning) : warning => ofOwn += warning;
        var badImages = new BadImages(options.OnBadImage, warn);
        ImageDataset images = isValidationSet ? ValidationSetErrors.Name(Load) : Load();
        foreach ((int rank, string warning) in images.Owners?.TextsOfAll(ofOwn).Index() ?? [])
        {
            if (warning.Length > 0)
                channel.Warning($"{whose}Of the images of process {rank}, {warning}");
        }
        return images;

        ImageDataset Load() => ImageDataset.Load(
            data, options.FeatureColumnName, options.LabelColumnName, request, context.CheckCancelled, badImages, cache,
            message => channel.Info(whose + message), sink, sharedBy);
    }

    /// <exception cref="InvalidOperationException">There is only one class.</exception>
    public static void CheckClasses(ImageDataset data, Options options, LabelValues? labelValues, IChannel channel)
    {
        long[] counts = new long[data.NumberOfClasses];
        foreach (int label in data.LabelArray())
            counts[label]++;
        if (counts.Count(count => count > 0) < 2)
            throw OneClass(options, labelValues, Array.FindIndex(counts, count => count > 0));

        IEnumerable<string> absent = Enumerable.Range(0, counts.Length).Where(i => counts[i] == 0)
            .Select(i => labelValues?.Names[i] ?? Unnamed(i));
        if (absent.Any())
            channel.Warning($"The training data has no image of: {string.Join(", ", absent)}.");
    }

    /// <summary>What is thrown where all images are of one class.</summary>
    public static InvalidOperationException OneClass(Options options, LabelValues? labelValues, int only) => new(
        $"Label column '{options.LabelColumnName}' has images of one class only, " +
        $"{(labelValues is null ? Unnamed(only) : $"'{labelValues.Names[only]}'")}. A classifier needs at least two.");

    private static string Unnamed(int label) => $"key {label + 1}";
}
