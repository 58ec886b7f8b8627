using Microsoft.ML.Runtime;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Trains an image classifier end to end by sharpness-aware minimisation (SAM, SSAM or CSAM) and gives calibrated class probabilities.
/// </summary>
/// <remarks>
/// <format type="text/markdown"><![CDATA[
/// Created with `mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(...)`. It takes the place of ML.NET's
/// `ImageClassification` trainer: the columns are the same, and options that mean the same have the same names. What becomes of the
/// others (`LearningRate`, `Epoch`, `Arch`, `EarlyStoppingCriteria` and more) is in docs/getting-started.md, "From Model Builder".
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
/// | Is normalization required? | No: pixels are normalised inside, with the statistics of the weights where training starts from some that tell them, else of the training images |
/// | Is caching required? | No: each image is decoded once and kept as bytes, or as 512 features where only the head is trained |
/// | Required NuGet in addition to Microsoft.ML | MLSharpness and one native backend, for example libtorch-cpu-linux-x64 |
/// | Exportable to ONNX | Yes: every model by `SaveOnnx`, unless a network of your own has a layer that it does not know; pipelines that begin with vectors of pixels also by ML.NET's `ConvertToOnnx` |
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
    /// <exception cref="ArgumentException">There is no network of that name (<see cref="Options.Arch"/>), or it does not take images of
    /// this size.</exception>
    /// <exception cref="InvalidOperationException">
    /// An image or a label cannot be used (the message names column, row and, where known, file, and begins with "ValidationSet:" where
    /// they are of <see cref="Options.ValidationSet"/>), there is one class only, libtorch is missing, or the GPU that
    /// <see cref="Options.Device"/> or <c>MLContext.GpuDeviceId</c> names cannot be used and <c>MLContext.FallbackToCpu</c> is off.
    /// </exception>
    /// <exception cref="InvalidDataException">The file of <see cref="Options.InitialWeights"/> or the one of <see
    /// cref="Options.CheckpointPath"/> is damaged or does not fit.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="IOException"><see cref="Options.CheckpointPath"/> or the folder of <see cref="Options.WorkspacePath"/> cannot be
    /// written to, which is tried before an image is read, or is full.</exception>
    /// <exception cref="TrainingDivergedException">The loss is no longer finite; not of what <see cref="FineTuning.Auto"/> tries after the
    /// head (<see cref="Options.OnDivergence"/>).</exception>
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
        // What one process of a group logs goes for all; a context of their own, to which nobody listens, keeps the others silent.
        using IChannel channel = (options.Group is { Rank: > 0 } ? (IChannelProvider)new MLContext() : _host).Start("Training");
        Preconditions.Check(input.Schema, options);
        ProcessGroupChecks.SameSharding(options);
        Device device = HostDevice.Choose(_host, options.Device);
        int seed = ChooseSeed(channel);
        LabelValues? labelValues = LabelValues.Of(LabelColumn.Bind(input.Schema, _options.LabelColumnName).Column);
        using StartingPoint start = StartingPoint.Choose(options, input.Schema, labelValues, _host, channel);
        if (ImageColumn.Bind(input.Schema, options.FeatureColumnName, options.ImageRequest).LayoutAssumed is string layout)
            channel.Info(layout);
        if (options.Group is not null && start.IsFineTuned)
            throw NotTogether(start.Options.FineTuning);
        if (!start.IsFineTuned)
            Preconditions.CheckEarlyStopping(options);
        if (Threads.Advice(device, options.Group) is string advice)
            channel.Warning(advice);
        using var random = new TorchRandom(seed, device);
        var context = new TrainingContext(_host, channel, seed, random, options.CancellationToken, options.Group);
        Preconditions.CheckLabels(input, options, labelValues, context.CheckCancelled);
        ClassifierDescription description = Describe(labelValues);

        TrainedClassifier trained = ClassifierTraining.Run(input, start, labelValues, description, device, context);
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
}
