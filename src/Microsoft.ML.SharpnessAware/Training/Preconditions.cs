using static TorchSharp.torch;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What can be found wrong before the first image is read, since what comes after may take hours.</summary>
internal static class Preconditions
{
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of a type that the trainer does not take.</exception>
    /// <exception cref="ArgumentException">There is no such network.</exception>
    /// <exception cref="InvalidOperationException">The label has one value only, the validation set has other classes or pixels than the
    /// training data, a cache of shares does not know their channels, batch norm cannot be synchronised, or a mini-batch has fewer images
    /// than there are processes.</exception>
    /// <exception cref="IOException">The checkpoint or the cache of decoded images cannot be written.</exception>
    public static void Check(DataViewSchema training, Options options)
    {
        LabelColumn label = CheckColumns(training, options);
        if (label.NumberOfClasses < 2)
            throw TrainingImages.OneClass(options, LabelValues.Of(label.Column), only: 0);
        if (!options.Arch.Equals(NetworkArchitecture.Auto, StringComparison.OrdinalIgnoreCase))
            NetworkArchitecture.CheckName(options.Arch);
        if (options.ValidationSet is IDataView validation)
        {
            try
            {
                CheckSameClasses(label, CheckColumns(validation.Schema, options), options);
                CheckSamePixels(training, validation.Schema, options);
            }
            catch (ArgumentOutOfRangeException e)
            {
                throw new ArgumentOutOfRangeException(
                    $"{ValidationSetErrors.Prefix}{e.Message} It has to come through the steps before the trainer (MapValueToKey, for " +
                    "example), as the training data do.", e);
            }
        }

        if (options is { SynchronizeBatchNorm: true, Group: not null }
            && ((options.Method.Rho > 0 && !options.SharedAscent) || options.Method.AscentShare < 1))
        {
            throw new InvalidOperationException(
                "SynchronizeBatchNorm needs SharedAscent and a method whose AscentShare is 1: batch norm normalises by the mini-batch of " +
                "all processes then, so that none can climb on its own, or by a share of it.");
        }
        if (options.Group is { } group && options.BatchSize < group.Size)
        {
            throw new InvalidOperationException(
                $"A mini-batch of {options.BatchSize} image(s) cannot be shared out to {group.Size} processes: BatchSize is that of all " +
                "of them together. Set a larger one, or start fewer processes.");
        }
        if (options.Sharding == DataSharding.ByRow && options.Group is not null && options.WorkspacePath is not null
            && ImageColumn.Bind(training, options.FeatureColumnName, options.ImageRequest).Shape is null)
        {
            throw new InvalidOperationException(
                "With Sharding ByRow and a WorkspacePath, set ImageChannels to 1 or 3: whether all images are grey is not known to a " +
                "process that finds its own ones in the cache.");
        }
        if (options.CheckpointPath is string checkpoint)
            Try(() => CheckpointFile.CheckWritable(checkpoint), reason =>
                $"CheckpointPath: '{Path.GetFullPath(checkpoint)}' cannot be written. {reason}");
        if (options.WorkspacePath is string workspace)
            Try(() => AtomicFile.CheckFolder(workspace), reason =>
                $"The images cannot be cached in the folder '{workspace}' (WorkspacePath): {reason}");
    }

    /// <summary>For a training that reads all images before it makes its network: whether it can be made, as far as the columns
    /// tell.</summary>
    /// <exception cref="ArgumentException">The network cannot take images of this size.</exception>
    /// <exception cref="InvalidDataException">The weights do not fit the network.</exception>
    /// <exception cref="InvalidOperationException">The normalisation is for other channels.</exception>
    public static void CheckNetwork(DataViewSchema training, StartingPoint start)
    {
        const int AnyChannels = 3;
        Options options = start.Options;
        ImageColumn column = ImageColumn.Bind(training, options.FeatureColumnName, options.ImageRequest);
        if (column.Shape is ImageShape known)
            options.Normalization.CheckChannels(known);
        if (!NetworkArchitecture.IsBuiltIn(options.Arch))
            return; // of one's own nobody knows what it takes to make it twice

        int classes = LabelColumn.Bind(training, options.LabelColumnName).NumberOfClasses;
        ImageShape shape = column.Shape ?? new ImageShape(AnyChannels, column.Height, column.Width);
        nn.Module<Tensor, Tensor> network = TorchRandom.Isolated(() => NetworkArchitecture.Create(options.Arch, classes, shape));
        try
        {
            if (column.Shape is not null)
                start.Weights?.CopyTo(network, classes, shape, channel: null, start.ClassNames);
        }
        finally
        {
            NativeModule.DisposeAll(network);
        }
    }

    /// <summary>
    /// The labels of all rows, where the data say how many there are: a list, a folder and a file can be read again. What does not say it
    /// may be a queue that can be read once only; its labels are looked at with its images.
    /// </summary>
    /// <exception cref="InvalidOperationException">A label is missing, the training data have one class only, or there are no
    /// rows.</exception>
    public static void CheckLabels(IDataView training, Options options, LabelValues? labelValues, Action checkCancelled)
    {
        HashSet<long>? classes = Classes(training);
        if (classes is { Count: 1 })
            throw TrainingImages.OneClass(options, labelValues, (int)classes.Single());
        if (options.ValidationSet is IDataView validation)
            ValidationSetErrors.Name(() => Classes(validation));

        HashSet<long>? Classes(IDataView data)
        {
            if (data.GetRowCount() is not long rows)
                return null;
            if (rows == 0)
                throw ImageDatasetLoader.NoRows(options.FeatureColumnName);
            LabelColumn label = LabelColumn.Bind(data.Schema, options.LabelColumnName);
            HashSet<long> seen = [];
            using DataViewRowCursor cursor = data.GetRowCursor([label.Column]);
            Func<long> readLabel = label.OpenReader(cursor);
            while (cursor.MoveNext())
            {
                checkCancelled();
                seen.Add(readLabel());
            }

            return seen;
        }
    }

    /// <summary>For a training by epochs: early stopping needs something to stop by.</summary>
    /// <exception cref="InvalidOperationException">No validation images are given, and none are set aside.</exception>
    public static void CheckEarlyStopping(Options options)
    {
        if (options is { EarlyStoppingCriteria: not null, ValidationSet: null, ValidationSetFraction: null or 0 })
            throw NoValidationImages();
    }

    /// <summary>Early stopping was asked for, and there is nothing to see whether the network improves.</summary>
    public static InvalidOperationException NoValidationImages() => new(
        "EarlyStoppingCriteria needs validation images. Give a ValidationSet or a larger ValidationSetFraction, or leave " +
        "EarlyStoppingCriteria null.");

    private static LabelColumn CheckColumns(DataViewSchema schema, Options options)
    {
        ImageColumn.Bind(schema, options.FeatureColumnName, options.ImageRequest);
        return LabelColumn.Bind(schema, options.LabelColumnName);
    }

    private static void CheckSameClasses(LabelColumn training, LabelColumn validation, Options options)
    {
        string? difference = validation.NumberOfClasses == training.NumberOfClasses
            ? LabelValues.Difference(LabelValues.Of(training.Column), LabelValues.Of(validation.Column))
            : $"it has {validation.NumberOfClasses} keys, the training data {training.NumberOfClasses}";
        if (difference is not null)
            throw new InvalidOperationException(
                $"Label column '{options.LabelColumnName}' of the validation set does not match that of the training data: {difference}. " +
                "Make both with the same fitted MapValueToKey transformer.");
    }

    /// <summary>Values of bytes and of floats have different scales: what one was normalised by is nonsense for the other.</summary>
    private static void CheckSamePixels(DataViewSchema training, DataViewSchema validation, Options options)
    {
        ImageColumn images = ImageColumn.Bind(training, options.FeatureColumnName, options.ImageRequest);
        // Vectors are never resized; pictures are, to a size that may not be chosen yet.
        ImageRequest request = images is { Layout: not null, Shape: ImageShape shape }
            ? new(shape, options.Resizing) : options.ImageRequest;
        PixelType found = ImageColumn.Bind(validation, options.FeatureColumnName, request).PixelType;
        if (images.PixelType != found)
        {
            throw new InvalidOperationException(
                $"Feature column '{options.FeatureColumnName}' of the validation set holds {ImageColumn.Describe(found)}, that of the " +
                $"training data {ImageColumn.Describe(images.PixelType)}. Make both in the same way.");
        }
    }

    private static void Try(Action check, Func<string, string> describe)
    {
        try
        {
            check();
        }
        catch (IOException e)
        {
            throw new IOException(describe((e.InnerException ?? e).Message), e);
        }
    }
}
