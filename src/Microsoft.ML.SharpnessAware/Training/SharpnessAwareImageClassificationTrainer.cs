using System.Globalization;
using Microsoft.ML.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Trains an image classifier end to end by sharpness-aware minimisation (SAM, SSAM or CSAM) and gives calibrated class probabilities.
/// </summary>
/// <remarks>
/// <format type="text/markdown"><![CDATA[
/// Created with `mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(...)`. It takes the place of ML.NET's
/// `ImageClassification` trainer: the columns and the names of the options are the same.
///
/// ### Input and Output Columns
/// | Column | Type | Meaning |
/// | -- | -- | -- |
/// | Label (input) | [key](xref:Microsoft.ML.Data.KeyDataViewType) | The class; `MapValueToKey` makes one. |
/// | Features (input) | variable-size vector of `byte`, [MLImage](xref:Microsoft.ML.Data.MLImage), or fixed-size vector of `byte` or `float` | An encoded image (PNG, JPEG, GIF, BMP, WebP), a decoded one, or its pixels. |
/// | Score (output) | fixed-size vector of `float` | Calibrated probability of each class, summing to 1. Its SlotNames are the class names. |
/// | PredictedLabel (output) | [key](xref:Microsoft.ML.Data.KeyDataViewType) | The most probable class, with the label's key values. |
///
/// Prefer encoded images (`LoadImagesFromFolder`, `LoadRawImageBytes`) to MLImages from ML.NET's `LoadImages`, which ignores the EXIF
/// orientation of photographs and accepts truncated files. Where you need MLImages, decode with `mlContext.Transforms.DecodeImages`, which
/// does neither.
///
/// ### Trainer Characteristics
/// | | |
/// | -- | -- |
/// | Machine learning task | Multiclass classification |
/// | Is normalization required? | No: pixels are normalised inside, with statistics of the training images |
/// | Is caching required? | No: each image is decoded once and kept as bytes, or as 512 features where only the head is trained |
/// | Required NuGet in addition to Microsoft.ML | MLSharpness and one native backend, for example libtorch-cpu-linux-x64 |
/// | Exportable to ONNX | Yes: every model by `SaveOnnx`; pipelines that begin with vectors of pixels also by ML.NET's `ConvertToOnnx` |
///
/// ### Training algorithm
/// Each step takes two passes over a mini-batch. The first finds the gradient g at the weights w, and the weights climb to
/// w + ρ g / ‖g‖; the second takes the gradient there, which the base optimiser applies at w
/// ([SAM, Foret et al. 2021](https://arxiv.org/abs/2010.01412)). SSAM rescales the second gradient to the first one's norm
/// ([Tan et al. 2024](https://arxiv.org/abs/2401.07250)); CSAM damps, in the second pass, the loss of samples that are classified
/// correctly with confidence ([Tan et al. 2025](https://arxiv.org/abs/2505.23866)). See <see cref="SharpnessAwareMethod"/>. After the last
/// epoch one temperature is fitted on the validation images and folded into Score.
/// ]]></format>
/// </remarks>
public sealed partial class SharpnessAwareImageClassificationTrainer : IEstimator<SharpnessAwareImageClassificationTransformer>, IKeepsLabel
{
    /// <summary>Fewer images than these to fit a temperature on are warned of.</summary>
    internal const int FewToCalibrateOn = 100;
    internal const string FewSayLittle = "Fewer than 100 say little about probabilities, which may be wrong by chance. Give more images " +
        "if you can.";

    private readonly IHost _host;
    private readonly Options _options;

    internal SharpnessAwareImageClassificationTrainer(IHostEnvironment env, Options options)
    {
        ArgumentNullException.ThrowIfNull(env);
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        _host = env.Register(nameof(SharpnessAwareImageClassificationTrainer));
        _options = options.Clone();
    }

    /// <summary>The columns that <see cref="Fit"/> would add to data of schema <paramref name="inputSchema"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of a type that the trainer does not take.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        SchemaShape.Column label = NamedColumn.Find(inputSchema, _options.LabelColumnName, "label");
        LabelColumn.Check(label);
        ImageColumn.Check(NamedColumn.Find(inputSchema, _options.FeatureColumnName, "feature"));

        var columns = inputSchema.ToDictionary(column => column.Name);
        foreach (SchemaShape.Column added in ScoreColumns.Shapes(_options.ScoreColumnName, _options.PredictedLabelColumnName, label))
            columns[added.Name] = added;
        return new SchemaShape(columns.Values);
    }

    /// <summary>Trains a network on <paramref name="input"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of a type that the trainer does not take.</exception>
    /// <exception cref="InvalidOperationException">
    /// An image or a label cannot be used (the message names column, row and, where known, file), or libtorch is missing.
    /// </exception>
    /// <exception cref="InvalidDataException">The file of <see cref="Options.InitialWeights"/> or the one of <see
    /// cref="Options.CheckpointPath"/> is damaged or does not fit.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="IOException"><see cref="Options.CheckpointPath"/> or the folder of <see cref="Options.WorkspacePath"/> cannot be
    /// written to, which is tried before an image is read, or is full.</exception>
    /// <exception cref="TrainingDivergedException">The loss is no longer finite.</exception>
    /// <exception cref="ProcessGroupException">Another process of <see cref="Options.ProcessGroup"/> failed, left or did not
    /// come.</exception>
    /// <exception cref="NotSupportedException">A process group is to fine-tune the head alone.</exception>
    /// <exception cref="OperationCanceledException">The options' token, or the MLContext, was cancelled.</exception>
    public SharpnessAwareImageClassificationTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (_options.Group is not { } group)
            return FitWith(_options, input);
        try
        {
            return FitWith(_options.OfThisProcess(), input);
        }
        catch (Exception exception) when (exception is not ProcessGroupException)
        {
            group.Fail(exception);
            throw;
        }
    }

    private SharpnessAwareImageClassificationTransformer FitWith(Options options, IDataView input)
    {
        using IChannel channel = options.Group is { Rank: > 0 } ? new SilentChannel(_host) : _host.Start("Training");
        Preconditions.Check(input.Schema, options);
        ProcessGroupChecks.SameSharding(options);
        Device device = HostDevice.Choose(_host, options.Device);
        int seed = ChooseSeed(channel);
        LabelValues? labelValues = LabelValues.Of(LabelColumn.Bind(input.Schema, _options.LabelColumnName).Column);
        using StartingPoint start = StartingPoint.Choose(options, input.Schema, labelValues, _host, channel);
        if (options.Group is not null && start.IsFineTuned)
            throw NotTogether(start.Options.FineTuning);
        if (!start.IsFineTuned)
            Preconditions.CheckEarlyStopping(options);
        if (options.Group is { } group && get_num_threads() > group.ThreadsPerProcess)
        {
            channel.Warning($"{group.LocalSize} processes of {get_num_threads()} threads each are more than this machine has processors, " +
                $"which makes them several times slower: set OMP_NUM_THREADS={group.ThreadsPerProcess} for all.");
        }
        using var random = new TorchRandom(seed, device);
        var context = new TrainingContext(_host, channel, seed, random, options.CancellationToken, options.Group);
        ClassifierDescription description = Describe(labelValues);

        TrainedClassifier trained = start.IsFineTuned
            ? FineTune(input, start, labelValues, device, context)
            : Train(input, start, labelValues, description, device, context);
        ProcessGroupChecks.SameModel(options.Group, trained.Classifier.Network, trained.Temperature);
        description = description with { Temperature = trained.Temperature, History = trained.History, Method = trained.Method };
        return new SharpnessAwareImageClassificationTransformer(_host, trained.Classifier, description);
    }

    /// <summary>
    /// The best model so far from the checkpoint of a training that is not finished, or was cancelled: that of the epoch with the best
    /// <see cref="Options.EarlyStoppingCriteria"/> metric, by default the lowest validation log loss; the latest without validation images.
    /// The file is not compared with these options or with data, as <see cref="Fit"/> compares it: the model has the classes of the
    /// training that wrote it. It runs on <see cref="Options.Device"/>.
    /// </summary>
    /// <exception cref="FileNotFoundException">There is no file at <see cref="Options.CheckpointPath"/>.</exception>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    /// <exception cref="InvalidOperationException"><see cref="Options.CheckpointPath"/> is not set, or no epoch has ended yet.</exception>
    public SharpnessAwareImageClassificationTransformer BestFromCheckpoint()
    {
        if (_options.CheckpointPath is not string path)
            throw new InvalidOperationException("Set Options.CheckpointPath: without it a training keeps no checkpoint.");
        using IChannel channel = _host.Start("Reading checkpoint");
        byte[] model = TrainingCheckpoint.ReadBestModel(path, channel);
        return model.Length > 0
            ? new SharpnessAwareImageClassificationTransformer(_host, ClassifierFile.FromBytes(_host, model, _options.Device))
            : throw new InvalidOperationException($"The checkpoint '{path}' has no model yet, since its first epoch has not ended.");
    }

    private ClassifierDescription Describe(LabelValues? labelValues) => new()
    {
        FeatureColumnName = _options.FeatureColumnName,
        ScoreColumnName = _options.ScoreColumnName,
        PredictedLabelColumnName = _options.PredictedLabelColumnName,
        LabelValues = labelValues,
        Method = _options.Method,
        Temperature = 1,
        History = [],
    };

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
            if (options.WorkspacePath is null && StatisticsBeforeReading(start, column, context.Channel) is PixelStatistics statistics)
            {
                int classes = LabelColumn.Bind(input.Schema, options.LabelColumnName).NumberOfClasses;
                classifier = CreateClassifier(start, column.Shape!.Value, ScalarType.Byte, classes, statistics, device, context);
                CheckHead(classifier);
                images = FineTuningImages.Read(
                    input, options, labelValues, classifier, FineTuningRun.AreFewEnough(options, classifier), context);
            }
            else
            {
                TrainingImages pixels = Load(input, start, labelValues, context);
                try
                {
                    classifier = CreateClassifier(start, pixels.Training, device, context);
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
        return TrainingImages.Load(input, start.ImageOptions, labelValues, context);
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
            FineTuning.Auto when options.TimeBudget is TimeSpan budget => string.Create(CultureInfo.InvariantCulture,
                $", the whole network after it at most about {(budget < TimeSpan.FromMinutes(1) ? $"{budget.TotalSeconds:0.###} s"
                    : $"{budget.TotalMinutes:0.#} minutes")}, where it is worth trying"),
            FineTuning.Auto => "",
            _ => ", the whole network after it longer",
        };
        channel.Info(string.Create(CultureInfo.InvariantCulture,
            $"Fine-tuning '{classifier.Architecture}' from the weights in '{Path.GetFileName(start.Weights!.Path)}', on {shape.Channels}×" +
            $"{shape.Height}×{shape.Width} values of {images.TrainingCount} images in {classifier.NumberOfClasses} classes, " +
            $"{images.ValidationCount ?? 0} more to validate on: the head takes seconds{after}."));
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
            && StatisticsBeforeReading(start, column, context.Channel) is PixelStatistics statistics)
            return TrainHead(input, start, labelValues, column.Shape!.Value, statistics, device, context);

        using TrainingImages images = Load(input, start, labelValues, context);
        options = start.OptionsFor(images);
        WarnOfFewImages(start, images.Training, context.Channel);
        ImageClassifier classifier = CreateClassifier(start, images.Training, device, context);
        try
        {
            RunFingerprint? fingerprint = options.CheckpointPath is null && options.Group is null
                ? null
                : RunFingerprint.Of(options, images, classifier, start.Weights, context.Seed);
            ProcessGroupChecks.SameTraining(options, fingerprint);
            TrainingCheckpoint? checkpoint = options.CheckpointPath is string path
                ? new(path, fingerprint!, context, classifier, description)
                : null;
            if (options.FeaturesNeverChange)
                checkpoint?.CheckSame();        // before all images go through the backbone
            using TrainingPlan plan = TrainingPlan.Of(options, classifier, images.Training, images.Validation, context);
            IReadOnlyList<EpochMetrics> history = new TrainingLoop(context, plan, checkpoint).Run();
            double temperature = plan.FitTemperature();
            LogTemperature(options, temperature, images.Validation, context.Channel);
            return new TrainedClassifier(classifier, temperature, history, options.Method);
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
        ImageClassifier classifier = CreateClassifier(start, shape, ScalarType.Byte, classes, statistics, device, context);
        try
        {
            using FineTuningImages images = FineTuningImages.Read(input, options, labelValues, classifier, (_, _) => false, context);
            TrainingImages features = options.ValidationSet is null
                ? images.Features.SetAside(options.ValidationSetFraction ?? 0, context.Seed) : images.Features.WithOwnValidation();
            using TrainingPlan plan = TrainingPlan.HeadOn(
                BackboneFeatures.Of(classifier, features.Training, features.Validation), options, context);
            IReadOnlyList<EpochMetrics> history = new TrainingLoop(context, plan, checkpoint: null).Run();
            double temperature = plan.FitTemperature();
            LogTemperature(options, temperature, features.Validation, context.Channel);
            return new TrainedClassifier(classifier, temperature, history, options.Method);
        }
        catch
        {
            classifier.Dispose();
            throw;
        }
    }

    private static ImageClassifier CreateClassifier(StartingPoint start, ImageDataset training, Device device, TrainingContext context) =>
        CreateClassifier(start, training.Shape, training.PixelType, training.NumberOfClasses,
            ChooseStatistics(start, training, context.Channel), device, context);

    private static ImageClassifier CreateClassifier(StartingPoint start, ImageShape shape, ScalarType pixelType, int numberOfClasses,
        PixelStatistics statistics, Device device, TrainingContext context)
    {
        Options options = start.Options;
        nn.Module<Tensor, Tensor> network =
            context.Random.Draw(() => CreateNetwork(start, shape, numberOfClasses, context.Channel)).to(device);
        return new ImageClassifier(
            options.Arch, network, device, shape, pixelType, new Normalization(statistics, device), numberOfClasses)
        {
            Resizing = options.Resizing,
        };
    }

    /// <summary>What the options ask for; by default what the initial weights were trained with, or else the images' own.</summary>
    private static PixelStatistics ChooseStatistics(StartingPoint start, ImageDataset training, IChannel channel)
    {
        PixelNormalization wanted = start.Options.Normalization;
        if (wanted == PixelNormalization.FromData)
            return start.Weights?.StatisticsFor(training, channel) ?? wanted.For(training);
        PixelStatistics given = wanted.For(training);
        if (start.Weights?.AdviceOn(given, PixelScale.WhiteForSure(training)) is string advice)
            channel.Warning(advice);
        return given;
    }

    /// <summary>The same where no image has to be read for it; else null.</summary>
    private static PixelStatistics? StatisticsBeforeReading(StartingPoint start, ImageColumn column, IChannel channel)
    {
        if (column.Shape is not ImageShape shape || column.PixelType != PixelType.Byte)
            return null;
        PixelNormalization wanted = start.Options.Normalization;
        if (wanted == PixelNormalization.FromData)
            return start.Weights?.StatisticsFor(ScalarType.Byte, shape, channel);
        PixelStatistics? given = wanted.ForBytes(shape);
        if (given is not null && start.Weights?.AdviceOn(given, byte.MaxValue) is string advice)
            channel.Warning(advice);
        return given;
    }

    private static nn.Module<Tensor, Tensor> CreateNetwork(StartingPoint start, ImageShape shape, int numberOfClasses, IChannel channel)
    {
        nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(start.Options.Arch, numberOfClasses, shape);
        if (NetworkArchitecture.Advice(start.Options.Arch, shape) is string advice)
            channel.Warning(advice);
        try
        {
            start.Weights?.CopyTo(network, numberOfClasses, shape, channel, start.ClassNames);
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    private static void WarnOfFewImages(StartingPoint start, ImageDataset training, IChannel channel)
    {
        const int Few = 500;
        if (start.Weights is null && training.Count < Few)
            channel.Warning($"{training.Count} images are few to train '{start.Options.Arch}' on from random weights; weights that have " +
                "learnt already would help (Options.InitialWeights).");
    }

    private static NotSupportedException NotTogether(FineTuning fineTuning) => new(
        $"With FineTuning {fineTuning} a training begins with the head on features that are kept, which takes seconds in one process, " +
        "and is not shared out to the processes of a group. Leave ProcessGroup null, or set FineTuning to Full for a training of the " +
        "whole network from the weights, by all processes.");

    private int ChooseSeed(IChannel channel)
    {
        int? given = _options.Seed ?? ((IHostEnvironmentInternal)_host).Seed;
        int seed = given ?? Random.Shared.Next();
        if (_options.Group is { } group)
        {
            int ofFirst = (int)group.SumOf(group.Rank == 0 ? seed : 0).A;
            seed = given ?? ofFirst;
        }
        if (given is not null)
            return seed;
        channel.Info($"No seed is set; this training uses Seed = {seed}.");
        return seed;
    }

    private static void LogTemperature(Options options, double temperature, ImageDataset? validation, IChannel channel)
    {
        if (options.Calibration == ProbabilityCalibration.None)
            return;
        if (validation is null)
            channel.Warning("There are no validation images, so no temperature was fitted and Score is the network's softmax. " +
                            "Give a ValidationSet or a ValidationSetFraction, or set Calibration to None.");
        else if (validation.Count < FewToCalibrateOn)
            channel.Warning($"Temperature {temperature:F4}, fitted on {validation.Count} validation image(s). {FewSayLittle} " +
                "ValidationSet and ValidationSetFraction choose how many of them to validate on.");
        else
            channel.Info($"Temperature {temperature:F4}, fitted on {validation.Count} validation images.");
    }
}
