using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Runtime;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A training that starts from weights: the head on features that were kept, then, where it is asked for and time is given, the whole network,
/// which has to be better than the head on images that neither has seen.
/// </summary>
internal sealed class FineTuningRun(Options options, TrainingImages images, TrainingContext context)
{
    private const double SharePutAside = 0.2;

    private readonly ImageDataset _training = images.Training;

    /// <summary>Trains the classifier's network, or a copy of it that takes its place.</summary>
    public TrainedClassifier Run(ImageClassifier classifier)
    {
        long start = Stopwatch.GetTimestamp();
        using var backbone = new Backbone(classifier);
        using ImageDataset features = BackboneFeatures.Of(backbone, _training, classifier.BatchSize, context.CheckCancelled);
        using ImageDataset? validationFeatures = images.Validation is null
            ? null
            : BackboneFeatures.Of(backbone, images.Validation, classifier.BatchSize, context.CheckCancelled);
        Log($"{_training.Count + (images.Validation?.Count ?? 0)} images went through the backbone once ({Seconds(start)}); the head is trained on their features.");

        FittedHead head = FittedHead.Fit(features, validationFeatures, context.Seed, context.CheckCancelled);
        return Finish(classifier, head, start);
    }

    private TrainedClassifier Finish(ImageClassifier classifier, FittedHead head, long start)
    {
        head.CopyTo(ClassificationHead.Of(classifier.Network, classifier.NumberOfClasses, classifier.Architecture).Layer);
        classifier.Network.eval();
        int classes = classifier.NumberOfClasses;
        MulticlassCalibrationMetrics raw = LogitMetrics.Of(head.HeldOutLogits, head.HeldOutLabels, classes);
        MulticlassCalibrationMetrics calibrated = LogitMetrics.Of(head.HeldOutLogits, head.HeldOutLabels, classes, head.Temperature);
        double temperature = options.Calibration == ProbabilityCalibration.None ? 1 : head.Temperature;
        string rows = head.IsCrossFitted
            ? $"{head.HeldOutLabels.Length} training images, each by a head that had not seen it"
            : $"{head.HeldOutLabels.Length} validation images";
        Log(string.Create(CultureInfo.InvariantCulture,
            $"The head: accuracy {calibrated.Accuracy:P1}, log loss {calibrated.LogLoss:F3}, ECE {calibrated.ExpectedCalibrationError:P1} on {rows}; ridge {head.Ridge}, temperature {head.Temperature:F3}."));
        TimeSpan duration = Stopwatch.GetElapsedTime(start);
        var metrics = new EpochMetrics
        {
            Epoch = 1,
            TotalEpochs = 1,
            TrainLoss = head.TrainLoss,
            ValidationAccuracy = raw.Accuracy,
            ValidationLogLoss = raw.LogLoss,
            ValidationExpectedCalibrationError = raw.ExpectedCalibrationError,
            LearningRate = 0,
            ImagesPerSecond = _training.Count / duration.TotalSeconds,
            Duration = duration,
        };
        options.MetricsCallback?.Invoke(metrics);
        return new TrainedClassifier(classifier, temperature, [metrics]);
    }

    private static string Seconds(long start) =>
        string.Create(CultureInfo.InvariantCulture, $"{Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s");

    private void Log(string message) => context.Channel.Info(message);
}
