using Microsoft.ML.Runtime;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What a <see cref="TrainingLoop"/> trains: a network, by which settings, on which images, and judged on which.</summary>
internal sealed class TrainingPlan : IDisposable
{
    private readonly BackboneFeatures? _features;
    private readonly TorchRandom? _random;

    private TrainingPlan(SharpnessAwareImageClassificationTrainer.Options options, ImageClassifier classifier, ImageDataset training,
        ImageDataset? validation, TrainingContext context, BackboneFeatures? features = null)
    {
        if (options.EarlyStoppingCriteria is not null && validation is null)
            throw Preconditions.NoValidationImages();
        (Options, Classifier, Training, _features) = (options, classifier, training, features);
        _random = options.DrawsRandomNumbers ? context.Random : null;
        CheckCancelled = options.CheckpointPath is null && context.Group is null ? context.CheckCancelled : () => { };
        Validation = validation is null ? null : new EpochValidation(classifier, validation, _random, context.Group, CheckCancelled);
    }

    public SharpnessAwareImageClassificationTrainer.Options Options { get; }

    /// <summary>The network that the loop runs. Its weights are the model's, or some of them.</summary>
    public ImageClassifier Classifier { get; }

    public ImageDataset Training { get; }

    /// <summary>Whether the "images" are features of a backbone.</summary>
    public bool IsOnFeatures => _features is not null;

    public EpochValidation? Validation { get; }

    /// <summary>
    /// For passes after the steps of an epoch: throws where the training was cancelled. Not where such a pass has to end, since a
    /// checkpoint can be saved only then, or other processes take part in it.
    /// </summary>
    public Action CheckCancelled { get; }

    /// <summary>The cheapest plan that does what the options ask for.</summary>
    /// <exception cref="InvalidOperationException">They ask for early stopping without validation images, or for a head on a frozen
    /// backbone that the network does not have.</exception>
    public static TrainingPlan Of(SharpnessAwareImageClassificationTrainer.Options options, ImageClassifier classifier,
        ImageDataset training, ImageDataset? validation, TrainingContext context) => options.FeaturesNeverChange
        ? HeadOnKeptFeatures(options, classifier, training, validation, context)
        : WholeNetwork(options, classifier, training, validation, context);

    /// <summary>All images go through the network in each epoch, whichever part of it learns.</summary>
    public static TrainingPlan WholeNetwork(SharpnessAwareImageClassificationTrainer.Options options, ImageClassifier classifier,
        ImageDataset training, ImageDataset? validation, TrainingContext context) =>
        new(options, classifier, training, validation, context);

    /// <summary>All images go through the backbone once, now; the head is then trained on their features.</summary>
    public static TrainingPlan HeadOnKeptFeatures(SharpnessAwareImageClassificationTrainer.Options options, ImageClassifier classifier,
        ImageDataset training, ImageDataset? validation, TrainingContext context)
    {
        return HeadOn(BackboneFeatures.Compute(classifier, training, validation, context.CheckCancelled, context.Group), options, context);
    }

    /// <summary>The head is trained on features.</summary>
    /// <param name="features">Taken over.</param>
    /// <param name="options">What the training is to be.</param>
    /// <param name="context">Where it logs.</param>
    public static TrainingPlan HeadOn(
        BackboneFeatures features, SharpnessAwareImageClassificationTrainer.Options options, TrainingContext context)
    {
        try
        {
            long images = features.Training.Count + (features.Validation?.Count ?? 0);
            context.Channel.Info($"{images} images went through the frozen backbone once; " +
                                 "the head is trained on their features.");
            SharpnessAwareImageClassificationTrainer.Options headOptions = options.Clone();
            headOptions.FreezeBackbone = false;     // the features' network has nothing to freeze
            return new(headOptions, features.Classifier, features.Training, features.Validation, context, features);
        }
        catch
        {
            features.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Runs what may draw random numbers. Where it cannot, trainings on several threads do not wait for each other, and the application's
    /// random state is not touched.
    /// </summary>
    public T Draw<T>(Func<T> compute) => _random is null ? compute() : _random.Draw(compute);

    /// <summary>The same, with numbers that depend on the number of the draw alone and not on what was drawn before.</summary>
    public T Draw<T>(int seed, Func<T> compute) => Draw(() =>
    {
        if (_random is not null)
            random.manual_seed(seed).Dispose();
        return compute();
    });

    /// <summary>The temperature of the network as it is; 1 where none is asked for, or there is nothing to fit it on.</summary>
    public double FitTemperature() =>
        Options.Calibration == ProbabilityCalibration.None || Validation is null ? 1 : Validation.FitTemperature();

    /// <summary>Frees what was made for the plan: kept features, not the network or the images.</summary>
    public void Dispose() => _features?.Dispose();
}
