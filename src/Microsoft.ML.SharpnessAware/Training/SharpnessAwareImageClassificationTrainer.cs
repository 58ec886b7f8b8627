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
/// ### Trainer Characteristics
/// | | |
/// | -- | -- |
/// | Machine learning task | Multiclass classification |
/// | Is normalization required? | No: pixels are normalised inside, with statistics of the training images |
/// | Is caching required? | No: each image is decoded once and kept as bytes |
/// | Required NuGet in addition to Microsoft.ML | MLSharpness and one native backend, for example libtorch-cpu-linux-x64 |
/// | Exportable to ONNX | No |
///
/// ### Training algorithm
/// Each step takes two passes over a mini-batch. The first finds the gradient g at the weights w, and the weights climb to
/// w + ρ g / ‖g‖; the second takes the gradient there, which the base optimiser applies at w
/// ([SAM, Foret et al. 2021](https://arxiv.org/abs/2010.01412)). SSAM rescales the second gradient to the first one's norm
/// ([Tan et al. 2024](https://arxiv.org/abs/2401.07250)); CSAM damps the loss of samples that are confidently right in the second pass
/// ([Tan et al. 2025](https://arxiv.org/abs/2505.23866)). See <see cref="SharpnessAwareMethod"/>. After the last epoch one temperature
/// is fitted on the validation images and folded into Score.
/// ]]></format>
/// </remarks>
public sealed partial class SharpnessAwareImageClassificationTrainer : IEstimator<SharpnessAwareImageClassificationTransformer>
{
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
        SchemaShape.Column label = Find(inputSchema, _options.LabelColumnName, "label");
        LabelColumn.Check(label);
        ImageColumn.Check(Find(inputSchema, _options.FeatureColumnName, "feature"));

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
    /// <exception cref="IOException">The folder of <see cref="Options.WorkspacePath"/> cannot be written to or is full.</exception>
    /// <exception cref="TrainingDivergedException">The loss is no longer finite.</exception>
    /// <exception cref="OperationCanceledException">The options' token, or the MLContext, was cancelled.</exception>
    public SharpnessAwareImageClassificationTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        using IChannel channel = _host.Start("Training");
        Device device = HostDevice.Choose(_host, _options.Device);
        int seed = ChooseSeed(channel);
        using InitialWeights? initialWeights = InitialWeights.Read(_host, _options.InitialWeights, _options.Arch);
        LabelValues? labelValues = LabelValues.Of(LabelColumn.Bind(input.Schema, _options.LabelColumnName).Column);

        (ImageDataset training, ImageDataset? validation) = LoadImages(input, labelValues, seed, channel);
        using ImageDataset trainingImages = training;
        using ImageDataset? validationImages = validation;

        using Normalization statistics = ChooseNormalization(training, initialWeights, channel);
        using var random = new TorchRandom(seed, device);
        nn.Module<Tensor, Tensor> network = random.Draw(() => CreateNetwork(training, initialWeights, channel)).to(device);
        var classifier = new ImageClassifier(
            _options.Arch, network, device, training.Shape, training.PixelType, statistics.On(device), training.NumberOfClasses)
        {
            ResizeMode = _options.ResizeMode,
        };
        try
        {
            TrainingCheckpoint? checkpoint = OpenCheckpoint(training, validation, seed, channel);
            (IReadOnlyList<EpochMetrics> history, double temperature) = Train(classifier, training, validation, seed, random, labelValues, checkpoint, channel);
            return new SharpnessAwareImageClassificationTransformer(_host, classifier, Describe(labelValues, temperature, history));
        }
        catch
        {
            classifier.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The best model so far from the checkpoint of a training that is not finished, or was cancelled: that of the epoch with the best
    /// <see cref="Options.EarlyStoppingCriteria"/> metric, by default the lowest validation log loss; the latest without validation images.
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
            ? new SharpnessAwareImageClassificationTransformer(_host, ClassifierFile.FromBytes(_host, model))
            : throw new InvalidOperationException($"The checkpoint '{path}' has no model yet, since its first epoch has not ended.");
    }

    /// <summary>Trains the network and fits the temperature; on features where those of an image never change.</summary>
    private (IReadOnlyList<EpochMetrics> History, double Temperature) Train(ImageClassifier classifier, ImageDataset training,
        ImageDataset? validation, int seed, TorchRandom random, LabelValues? labelValues, TrainingCheckpoint? checkpoint, IChannel channel)
    {
        if (!_options.FeaturesNeverChange)
            return Run(_options, classifier, training, validation);

        using BackboneFeatures features = BackboneFeatures.Compute(classifier, training, validation, CheckCancelled);
        channel.Info(
            $"{training.Count + (validation?.Count ?? 0)} images went through the frozen backbone once; the head is trained on their features.");
        Options headOptions = _options.Clone();
        headOptions.FreezeBackbone = false; // the features' network has nothing to freeze
        return Run(headOptions, features.Classifier, features.Training, features.Validation);

        (IReadOnlyList<EpochMetrics>, double) Run(Options options, ImageClassifier trained, ImageDataset rows, ImageDataset? held)
        {
            if (checkpoint is not null)
                checkpoint.ToModel = history =>
                    ClassifierFile.ToBytes(_host, classifier, Describe(labelValues, FitTemperature(trained, held, channel), history));
            IReadOnlyList<EpochMetrics> history = new TrainingLoop(_host, channel, options, trained, rows, held, seed, random, checkpoint).Run();
            return (history, FitTemperature(trained, held, channel));
        }
    }

    private ClassifierDescription Describe(LabelValues? labelValues, double temperature, IReadOnlyList<EpochMetrics> history) => new()
    {
        FeatureColumnName = _options.FeatureColumnName,
        ScoreColumnName = _options.ScoreColumnName,
        PredictedLabelColumnName = _options.PredictedLabelColumnName,
        LabelValues = labelValues,
        Method = _options.Method,
        Temperature = temperature,
        History = history,
    };

    private TrainingCheckpoint? OpenCheckpoint(ImageDataset training, ImageDataset? validation, int seed, IChannel channel)
    {
        if (_options.CheckpointPath is not string path)
            return null;
        RunFingerprint fingerprint = _options.Fingerprint()
            .Add(nameof(Options.Seed), seed)
            .Add("training images", $"{training.Count} of {training.Shape}, SHA-256 {training.ContentHash()}")
            .Add("validation images", validation is null ? null : $"{validation.Count}, SHA-256 {validation.ContentHash()}");
        EarlyStoppingMetric metric = _options.EarlyStoppingCriteria?.Metric ?? EarlyStoppingMetric.Loss;
        return new TrainingCheckpoint(path, fingerprint, metric, channel);
    }

    /// <summary>What the options ask for; by default what the initial weights were trained with, or else the images' own.</summary>
    private Normalization ChooseNormalization(ImageDataset training, InitialWeights? initialWeights, IChannel channel) =>
        (_options.Normalization == PixelNormalization.FromData ? initialWeights?.NormalizationFor(training, channel) : null)
        ?? _options.Normalization.For(training);

    private nn.Module<Tensor, Tensor> CreateNetwork(ImageDataset training, InitialWeights? initialWeights, IChannel channel)
    {
        nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(_options.Arch, training.NumberOfClasses, training.Shape);
        try
        {
            initialWeights?.CopyTo(network, training.NumberOfClasses, training.Shape, channel);
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    private int ChooseSeed(IChannel channel)
    {
        if ((_options.Seed ?? ((IHostEnvironmentInternal)_host).Seed) is int given)
            return given;
        int seed = Random.Shared.Next();
        channel.Info($"No seed is set; this training uses Seed = {seed}.");
        return seed;
    }

    private (ImageDataset Training, ImageDataset? Validation) LoadImages(IDataView input, LabelValues? labelValues, int seed, IChannel channel)
    {
        ImageDataset all = ImageDataset.Load(
            input, _options.FeatureColumnName, _options.LabelColumnName, _options.ImageRequest, CheckCancelled, BadImages(channel),
            Cache(channel));
        try
        {
            CheckClasses(all, labelValues, channel);
            if (_options.ValidationSet is IDataView set)
                return (all, LoadValidationSet(set, all, labelValues, channel));

            (long[] trainingRows, long[] validationRows) = StratifiedSplit.Split(all.Labels.data<long>().ToArray(), _options.ValidationSetFraction ?? 0, seed);
            if (validationRows.Length == 0)
                return (all, null);
            using (all)
                return (all.Subset(trainingRows), all.Subset(validationRows));
        }
        catch
        {
            all.Dispose();
            throw;
        }
    }

    private ImageDataset LoadValidationSet(IDataView set, ImageDataset training, LabelValues? labelValues, IChannel channel)
    {
        LabelColumn label = LabelColumn.Bind(set.Schema, _options.LabelColumnName);
        string? difference = label.NumberOfClasses == training.NumberOfClasses
            ? LabelValues.Difference(labelValues, LabelValues.Of(label.Column))
            : $"it has {label.NumberOfClasses} keys, the training data {training.NumberOfClasses}";
        if (difference is not null)
            throw new InvalidOperationException(
                $"Label column '{_options.LabelColumnName}' of the validation set does not match that of the training data: {difference}. " +
                "Make both with the same fitted MapValueToKey transformer.");
        var request = new ImageRequest(training.Shape, _options.ResizeMode);
        return ImageDataset.Load(
            set, _options.FeatureColumnName, _options.LabelColumnName, request, CheckCancelled, BadImages(channel), Cache(channel));
    }

    private PixelCache? Cache(IChannel channel) =>
        _options.WorkspacePath is string folder ? new PixelCache(folder, message => channel.Info(message)) : null;

    private BadImages BadImages(IChannel channel) => new(_options.OnBadImage, warning => channel.Warning(warning));

    private void CheckClasses(ImageDataset data, LabelValues? labelValues, IChannel channel)
    {
        long[] counts = new long[data.NumberOfClasses];
        foreach (int label in data.LabelArray())
            counts[label]++;
        if (counts.Count(count => count > 0) < 2)
            throw new InvalidOperationException(
                $"Label column '{_options.LabelColumnName}' has images of one class only. A classifier needs at least two.");

        IEnumerable<string> absent = Enumerable.Range(0, counts.Length).Where(i => counts[i] == 0)
            .Select(i => labelValues?.Names[i] ?? $"key {i + 1}");
        if (absent.Any())
            channel.Warning($"The training data has no image of: {string.Join(", ", absent)}.");
    }

    private double FitTemperature(ImageClassifier classifier, ImageDataset? validation, IChannel channel)
    {
        if (_options.Calibration == ProbabilityCalibration.None)
            return 1;
        if (validation is null)
        {
            channel.Warning("There are no validation images, so no temperature was fitted and Score is the network's softmax. " +
                            "Give a ValidationSet or a ValidationSetFraction, or set Calibration to None.");
            return 1;
        }
        int[] labels = validation.LabelArray();
        float[] logits = classifier.Logits(validation);
        if (!logits.All(float.IsFinite))
            throw new InvalidOperationException(
                $"Network '{classifier.Architecture}' gives outputs for validation images that are not finite: its weights are NaN or very large, " +
                "although the loss was finite until now. Use a lower learning rate or clip gradients (MaxGradientNorm).");
        double temperature = TemperatureScaling.FitSmoothed(logits, labels, classifier.NumberOfClasses);
        channel.Info($"Temperature {temperature:F4}, fitted on {validation.Count} validation images.");
        return temperature;
    }

    private static SchemaShape.Column Find(SchemaShape schema, string name, string role) =>
        schema.TryFindColumn(name, out SchemaShape.Column column)
            ? column
            : throw new ArgumentOutOfRangeException("inputSchema", $"Could not find {role} column '{name}'. The data has: {string.Join(", ", schema.Select(c => c.Name))}.");

    private void CheckCancelled()
    {
        _options.CancellationToken.ThrowIfCancellationRequested();
        _host.CheckAlive();
    }
}
