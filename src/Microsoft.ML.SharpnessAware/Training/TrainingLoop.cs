using System.Diagnostics;
using Microsoft.ML.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The epochs of a training, top to bottom: shuffle, augment, two-pass steps, validate, report, perhaps stop.</summary>
internal sealed class TrainingLoop(
    IHost host,
    IChannel channel,
    SharpnessAwareImageClassificationTrainer.Options options,
    ImageClassifier classifier,
    ImageDataset training,
    ImageDataset? validation,
    int seed)
{
    private readonly BatchOrder _order = new(training.Count, options.BatchSize, seed);
    private readonly Augmenter _augmenter = new(
        options.Augmentation, seed, options.Augmentation.ChangesColors ? PixelScale.White(training) : 1, classifier.Normalization.Mean);
    private readonly BaseOptimizer _baseOptimizer = options.EffectiveBaseOptimizer;
    private readonly List<EpochMetrics> _history = [];
    private long _step;

    private long TotalSteps => (long)options.Epoch * _order.BatchesPerEpoch;

    /// <summary>Trains the classifier's network and returns one entry an epoch.</summary>
    public IReadOnlyList<EpochMetrics> Run()
    {
        using var optimizer = new SharpnessAwareOptimizer(classifier.Network, options.Method, _baseOptimizer, options.Loss)
        {
            MaxGradientNorm = options.MaxGradientNorm,
        };
        using var best = new BestWeights(classifier.Network, options.EarlyStoppingCriteria, validation is not null);
        using IProgressChannel progress = StartProgress();

        for (int epoch = 1; epoch <= options.Epoch; epoch++)
        {
            long start = Stopwatch.GetTimestamp();
            double trainLoss = TrainOneEpoch(optimizer, epoch);
            TimeSpan trainingTime = Stopwatch.GetElapsedTime(start);
            CheckRunningStatistics(epoch);
            MulticlassCalibrationMetrics? validated = Validate();

            var metrics = new EpochMetrics
            {
                Epoch = epoch,
                TotalEpochs = options.Epoch,
                TrainLoss = trainLoss,
                ValidationAccuracy = validated?.Accuracy ?? double.NaN,
                ValidationLogLoss = validated?.LogLoss ?? double.NaN,
                ValidationExpectedCalibrationError = validated?.ExpectedCalibrationError ?? double.NaN,
                LearningRate = optimizer.LearningRate,
                ImagesPerSecond = training.Count / trainingTime.TotalSeconds,
                Duration = Stopwatch.GetElapsedTime(start),
            };
            Report(metrics, progress);

            if (best.Observe(metrics) && epoch < options.Epoch)
            {
                channel.Info($"Stopped after epoch {epoch}: no improvement since epoch {best.Epoch}.");
                break;
            }
        }
        best.Restore();
        classifier.Network.eval();
        return _history;
    }

    private double TrainOneEpoch(SharpnessAwareOptimizer optimizer, int epoch)
    {
        var network = classifier.Network;
        double lossSum = 0;
        network.train();
        foreach (ReadOnlyMemory<long> rows in _order.Epoch(epoch))
        {
            CheckCancelled();
            optimizer.LearningRate = _baseOptimizer.LearningRate * options.Schedule.Factor(_step, TotalSteps);

            using DisposeScope scope = NewDisposeScope();
            Tensor index = tensor(rows.ToArray(), device: CPU);
            AugmentedBatch batch = _augmenter.Apply(training.Batch(index), rows.Span, epoch, classifier.Device);
            Tensor images = classifier.Prepare(batch.Pixels);
            Tensor labels = training.Labels.index_select(0, index).to(classifier.Device);
            lossSum += rows.Length
                * Step(optimizer, () => classifier.CheckShape(network.call(images), rows.Length), labels, batch.Share, epoch);
            _step++;
        }
        return lossSum / training.Count;
    }

    private double Step(SharpnessAwareOptimizer optimizer, Func<Tensor> logits, Tensor labels, Tensor? share, int epoch)
    {
        try
        {
            return share is null
                ? optimizer.Step(logits, labels)
                : optimizer.Step(logits, labels, LabelMixing.Partners(labels), share);
        }
        catch (TrainingDivergedException e)
        {
            throw e.AtEpoch(epoch);
        }
    }

    private void CheckRunningStatistics(int epoch)
    {
        using DisposeScope scope = NewDisposeScope();
        foreach ((string name, Tensor buffer) in classifier.Network.named_buffers())
        {
            if (buffer.is_floating_point() && !buffer.isfinite().all().item<bool>())
                throw new InvalidOperationException(
                    $"The running statistics '{name}' of network '{classifier.Architecture}' are not finite after epoch {epoch}. Batch norm needs more " +
                    "than one value for each channel, which a mini-batch of one image does not have where the last feature map is a single pixel: " +
                    "use a larger BatchSize or larger images.");
        }
    }

    private MulticlassCalibrationMetrics? Validate()
    {
        if (validation is null)
            return null;
        classifier.Network.eval();
        return CalibrationMetrics.Compute(classifier.Probabilities(validation), validation.LabelArray(), classifier.NumberOfClasses);
    }

    private IProgressChannel StartProgress()
    {
        IProgressChannel progress = host.StartProgressChannel("SharpnessAwareImageClassification");
        progress.SetHeader(
            new ProgressHeader(["TrainLoss", "ValidationAccuracy", "ValidationLogLoss", "ValidationECE"], ["epochs", "steps"]),
            entry =>
            {
                entry.SetProgress(0, _history.Count, options.Epoch);
                entry.SetProgress(1, _step, TotalSteps);
            });
        return progress;
    }

    private void Report(EpochMetrics metrics, IProgressChannel progress)
    {
        _history.Add(metrics);
        progress.Checkpoint(metrics.TrainLoss, metrics.ValidationAccuracy, metrics.ValidationLogLoss,
            metrics.ValidationExpectedCalibrationError, metrics.Epoch, _step);
        channel.Info(metrics.ToString());
        options.MetricsCallback?.Invoke(metrics);
    }

    private void CheckCancelled()
    {
        options.CancellationToken.ThrowIfCancellationRequested();
        host.CheckAlive();
    }
}
