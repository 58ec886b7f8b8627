using System.Globalization;
using Microsoft.ML.Runtime;
using static TorchSharp.torch;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A training from the first image to the temperature: of the head and what comes after it, of the head on features that are kept,
/// or of the whole network.</summary>
internal static class ClassifierTraining
{
    /// <summary>Fewer images than these to fit a temperature on are warned of.</summary>
    internal const int FewToCalibrateOn = 100;
    internal const string FewSayLittle = "Fewer than 100 say little about probabilities, which may be wrong by chance. Give more images " +
        "if you can.";

    /// <summary>Trains the classifier that the starting point asks for.</summary>
    public static TrainedClassifier Run(IDataView input, StartingPoint start, LabelValues? labelValues, ClassifierDescription description,
        Device device, TrainingContext context) =>
        start.IsFineTuned
            ? FineTune(input, start, labelValues, device, context)
            : Train(input, start, labelValues, description, device, context);

    /// <summary>The head, and what the options want after it.</summary>
    private static TrainedClassifier FineTune(
        IDataView input, StartingPoint start, LabelValues? labelValues, Device device, TrainingContext context)
    {
        Options options = start.Options;
        ImageColumn column = ImageColumn.Bind(input.Schema, options.FeatureColumnName, options.ImageRequest);
        ImageClassifier? classifier = null;
        FineTuningImages images;
        try
        {
            if (options.WorkspacePath is null
                && NewClassifier.StatisticsBeforeReading(start, column, context.Channel) is PixelStatistics statistics)
            {
                int classes = LabelColumn.Bind(input.Schema, options.LabelColumnName).NumberOfClasses;
                classifier = NewClassifier.Create(start, column.Shape!.Value, ScalarType.Byte, classes, statistics, device, context);
                CheckHead(classifier);
                images = FineTuningImages.Read(
                    input, options, labelValues, classifier, FineTuningRun.AreFewEnough(options, classifier), context);
            }
            else
            {
                TrainingImages pixels = Load(input, start, labelValues, context);
                try
                {
                    classifier = NewClassifier.Create(start, pixels.Training, device, context);
                    CheckHead(classifier);
                    images = FineTuningImages.Of(pixels, classifier, context);
                }
                catch
                {
                    pixels.Dispose();
                    throw;
                }
            }

            using (images)
            {
                Describe(start, classifier, images, context.Channel);
                return new FineTuningRun(options, images, context).Run(classifier);
            }
        }
        catch
        {
            classifier?.Dispose();
            throw;
        }
    }

    /// <summary>The images, which is hours of work: what can be found wrong is found before.</summary>
    private static TrainingImages Load(IDataView input, StartingPoint start, LabelValues? labelValues, TrainingContext context)
    {
        Preconditions.CheckNetwork(input.Schema, start);
        TrainingImages images = TrainingImages.Load(input, start.ImageOptions, labelValues, context);
        try
        {
            // Before the head is fitted, or all images go into a fingerprint. Auto may stay with the head, and leaves colours alone else.
            if (start.Options is { GivenAugmentation.ChangesColors: true, FeaturesNeverChange: false }
                && !(start.IsFineTuned && start.Options.FineTuning is FineTuning.HeadOnly or FineTuning.Auto))
                PixelScale.White(images.Training);
            return images;
        }
        catch
        {
            images.Dispose();
            throw;
        }
    }

    /// <summary>The head that is trained on features has a bias.</summary>
    private static void CheckHead(ImageClassifier classifier)
    {
        ClassificationHead head = ClassificationHead.Of(classifier.Network, classifier.NumberOfClasses, classifier.Architecture);
        if (head.Layer.bias is null)
        {
            throw new InvalidOperationException(
                $"Layer '{head.Name}' of network '{classifier.Architecture}', its head, has no bias, and the head that is trained on " +
                "features has one. Give it a bias, or set FineTuning to Full, which trains the network as it is.");
        }
    }

    /// <summary>Says in one line what is trained, from what and on what, and how long it takes; and warns of few images to calibrate
    /// on.</summary>
    private static void Describe(StartingPoint start, ImageClassifier classifier, FineTuningImages images, IChannel channel)
    {
        Options options = start.Options;
        ImageShape shape = classifier.Shape;
        string after = options.FineTuning switch
        {
            FineTuning.HeadOnly => "",
            FineTuning.Auto when options.TimeBudget == TimeSpan.MaxValue =>
                ", the whole network after it as long as it takes, where it is worth trying",
            FineTuning.Auto when options.TimeBudget is TimeSpan budget => ", the whole network after it at most about "
                + (budget < TimeSpan.FromMinutes(1) ? string.Create(CultureInfo.InvariantCulture, $"{budget.TotalSeconds:0.###} s")
                    : string.Create(CultureInfo.InvariantCulture, $"{budget.TotalMinutes:0.#} minutes"))
                + ", where it is worth trying",
            FineTuning.Auto => "",
            _ => ", the whole network after it longer",
        };
        double seconds = FittedHead.SecondsOf(
            images.TrainingCount, ClassificationHead.Of(classifier.Network, classifier.NumberOfClasses, classifier.Architecture)
                .Layer.weight.shape[1], classifier.NumberOfClasses);
        string head = seconds < 60 ? "seconds" : string.Create(CultureInfo.InvariantCulture, $"about {seconds / 60:F0} minutes");
        channel.Info(string.Create(CultureInfo.InvariantCulture,
            $"Fine-tuning '{classifier.Architecture}' from the weights in '{Path.GetFileName(start.Weights!.Path)}', on {shape.Channels}×" +
            $"{shape.Height}×{shape.Width} values of {images.TrainingCount} images in {classifier.NumberOfClasses} classes, " +
            $"{images.ValidationCount ?? 0} more to validate on: the head takes {head}{after}."));
        long calibratedOn = images.ValidationCount ?? images.TrainingCount;
        if (options.Calibration != ProbabilityCalibration.None && calibratedOn < FewToCalibrateOn)
        {
            channel.Warning(string.Create(CultureInfo.InvariantCulture, $"The temperature is fitted on {calibratedOn} ") +
                (images.ValidationCount is null ? "images, each scored by a head that has not seen it. " : "validation image(s). ") +
                FewSayLittle);
        }
    }

    /// <summary>The training that the options ask for, whether from random weights or others.</summary>
    private static TrainedClassifier Train(IDataView input, StartingPoint start, LabelValues? labelValues,
        ClassifierDescription description, Device device, TrainingContext context)
    {
        Options options = start.Options;
        // A checkpoint and a group want to know the pixels.
        if (options is { FeaturesNeverChange: true, CheckpointPath: null, Group: null, OrderOfShares: null, WorkspacePath: null }
            && ImageColumn.Bind(input.Schema, options.FeatureColumnName, options.ImageRequest) is var column
            && NewClassifier.StatisticsBeforeReading(start, column, context.Channel) is PixelStatistics statistics)
            return TrainHead(input, start, labelValues, column.Shape!.Value, statistics, device, context);

        // The first process of a group writes the checkpoint for all.
        using IDisposable? own = options is { CheckpointPath: string file, Group: null or { Rank: 0 } }
            ? FileLock.TryTake(file) ?? throw new IOException(
                $"CheckpointPath: another training keeps its checkpoint in '{file}'. Wait for its end, or give this one another path.")
            : null;
        using TrainingImages images = Load(input, start, labelValues, context);
        options = start.OptionsFor(images);
        WarnOfFewImages(start, images.Training, context.Channel);
        ImageClassifier classifier = NewClassifier.Create(start, images.Training, device, context);
        try
        {
            RunFingerprint? fingerprint = options.CheckpointPath is null && options.Group is null
                ? null
                : RunFingerprint.Of(options, images, classifier, start.Weights, context.Seed);
            ProcessGroupChecks.SameTraining(options, fingerprint);
            TrainingCheckpoint? checkpoint = options.CheckpointPath is string path
                ? new(path, fingerprint!, context, classifier, description, options.Calibration)
                : null;
            if (options.FeaturesNeverChange)
                checkpoint?.CheckSame();        // before all images go through the backbone
            using TrainingPlan plan = TrainingPlan.Of(options, classifier, images.Training, images.Validation, context);
            return RunEpochs(classifier, plan, options, images.Validation, checkpoint, context);
        }
        catch
        {
            classifier.Dispose();
            throw;
        }
    }

    /// <summary>The head on a frozen backbone, through which the images go as they are read: memory holds a batch of them and
    /// features.</summary>
    private static TrainedClassifier TrainHead(IDataView input, StartingPoint start, LabelValues? labelValues, ImageShape shape,
        PixelStatistics statistics, Device device, TrainingContext context)
    {
        Options options = start.Options;
        int classes = LabelColumn.Bind(input.Schema, options.LabelColumnName).NumberOfClasses;
        ImageClassifier classifier = NewClassifier.Create(start, shape, ScalarType.Byte, classes, statistics, device, context);
        try
        {
            using FineTuningImages images = FineTuningImages.Read(input, options, labelValues, classifier, (_, _) => false, context);
            TrainingImages features = options.ValidationSet is null
                ? images.Features.SetAside(options.ValidationSetFraction ?? 0, context.Seed) : images.Features.WithOwnValidation();
            using TrainingPlan plan = TrainingPlan.HeadOn(
                BackboneFeatures.Of(classifier, features.Training, features.Validation), options, context);
            return RunEpochs(classifier, plan, options, features.Validation, checkpoint: null, context);
        }
        catch
        {
            classifier.Dispose();
            throw;
        }
    }

    private static TrainedClassifier RunEpochs(ImageClassifier classifier, TrainingPlan plan, Options options, ImageDataset? validation,
        TrainingCheckpoint? checkpoint, TrainingContext context)
    {
        IReadOnlyList<EpochMetrics> history = new TrainingLoop(context, plan, checkpoint).Run();
        double temperature = plan.FitTemperature();
        LogTemperature(options, temperature, validation, context.Channel);
        return new TrainedClassifier(classifier, temperature, history, options.Method);
    }

    private static void WarnOfFewImages(StartingPoint start, ImageDataset training, IChannel channel)
    {
        const int Few = 500;
        if (start.Weights is null && training.Count < Few)
            channel.Warning($"{training.Count} images are few to train '{start.Options.Arch}' on from random weights; weights that have " +
                "learnt already would help (Options.InitialWeights).");
    }

    private static void LogTemperature(Options options, double temperature, ImageDataset? validation, IChannel channel)
    {
        if (options.Calibration == ProbabilityCalibration.None)
            return;
        if (validation is null)
            channel.Warning("There are no validation images, so no temperature was fitted and Score is the network's softmax. " +
                            "Give a ValidationSet or a ValidationSetFraction, or set Calibration to None.");
        else if (validation.Count < FewToCalibrateOn)
            channel.Warning(string.Create(CultureInfo.InvariantCulture,
                $"Temperature {temperature:F4}, fitted on {validation.Count} validation image(s). {FewSayLittle} ") +
                "ValidationSet and ValidationSetFraction choose how many of them to validate on.");
        else
            channel.Info(string.Create(CultureInfo.InvariantCulture,
                $"Temperature {temperature:F4}, fitted on {validation.Count} validation images."));
    }
}
