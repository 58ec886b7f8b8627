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
    int seed,
    TorchRandom random,
    TrainingCheckpoint? checkpoint = null)
{
    private readonly BatchOrder _order = new(training.Count, options.BatchSize, seed);
    private readonly Augmenter _augmenter = new(
        options.Augmentation, seed, options.Augmentation.ChangesColors ? PixelScale.White(training) : 1, classifier.Normalization.Mean);
    private readonly BaseOptimizer _baseOptimizer = options.EffectiveBaseOptimizer;
    private readonly TrainingProgress _progress = new();
    private double _gamma = options.Method.Gamma;

    private long TotalSteps => (long)options.Epoch * _order.BatchesPerEpoch;

    /// <summary>Trains the classifier's network, from where its checkpoint left off if there is one, and returns one entry an epoch.</summary>
    public IReadOnlyList<EpochMetrics> Run()
    {
        using var tuning = new FineTuning(options, classifier);
        using var best = new BestWeights(classifier.Network, options.EarlyStoppingCriteria, validation is not null);
        using IProgressChannel progress = StartProgress();
        var state = new TrainingState(_progress, classifier.Network, tuning, best, random);
        using var retry = new DivergenceRetry(options.OnDivergence, state, _progress, channel);
        if (checkpoint?.Restore(state) == true)
        {
            _progress.CheckWithin(options.Epoch, _order.BatchesPerEpoch);
            channel.Info($"Continuing from '{options.CheckpointPath}' at epoch {_progress.Epoch}, step {_progress.Step}.");
        }

        while (_progress.Epoch <= options.Epoch && !_progress.StoppedEarly)
        {
            retry.Remember();
            try
            {
                RunEpoch(tuning, best, state, progress);
            }
            catch (TrainingDivergedException exception) when (retry.CanRestore)
            {
                retry.Restore(exception);
            }
        }

        best.Restore();
        classifier.Network.eval();
        return _progress.History;
    }

    private void RunEpoch(FineTuning tuning, BestWeights best, TrainingState state, IProgressChannel progress)
    {
        int epoch = _progress.Epoch;
        long start = Stopwatch.GetTimestamp();
        int done = _progress.Batch;
        SharpnessAwareOptimizer optimizer = tuning.OptimizerFor(epoch);
        optimizer.Gamma = _gamma;
        TrainOneEpoch(tuning, optimizer, state);
        double secondsPerBatch = Stopwatch.GetElapsedTime(start).TotalSeconds / (_order.BatchesPerEpoch - done);
        CheckRunningStatistics(epoch);
        MulticlassCalibrationMetrics? validated = Validate();
        if (validated is not null && options.GammaSchedule is { } next)
            _gamma = next(_gamma, validated);

        var metrics = new EpochMetrics
        {
            Epoch = epoch,
            TotalEpochs = options.Epoch,
            TrainLoss = _progress.LossSum / training.Count,
            ValidationAccuracy = validated?.Accuracy ?? double.NaN,
            ValidationLogLoss = validated?.LogLoss ?? double.NaN,
            ValidationExpectedCalibrationError = validated?.ExpectedCalibrationError ?? double.NaN,
            LearningRate = optimizer.LearningRate,
            ImagesPerSecond = training.Count / (secondsPerBatch * _order.BatchesPerEpoch),
            Duration = Stopwatch.GetElapsedTime(start),
        };
        _progress.EpochDone(metrics);
        if (best.Observe(metrics) && epoch < options.Epoch)
        {
            channel.Info($"Stopped after epoch {epoch}: no improvement since epoch {best.Epoch}.");
            _progress.StoppedEarly = true;
        }

        checkpoint?.Observe(_progress.History);
        checkpoint?.Save(state);
        Report(metrics, progress);
    }

    private void TrainOneEpoch(FineTuning tuning, SharpnessAwareOptimizer optimizer, TrainingState state)
    {
        int epoch = _progress.Epoch;
        classifier.Network.train(!tuning.BackboneIsFrozen);
        foreach (ReadOnlyMemory<long> rows in _order.Epoch(epoch).Skip(_progress.Batch))
        {
            SaveIfCancelled(state);
            CheckCancelled();
            optimizer.LearningRate = Math.ScaleB(_baseOptimizer.LearningRate * options.Schedule.Factor(_progress.Step, TotalSteps), -_progress.Halvings);

            using (DisposeScope scope = NewDisposeScope())
            {
                Tensor index = tensor(rows.ToArray(), device: CPU);
                AugmentedBatch batch = _augmenter.Apply(training.Batch(index), rows.Span, epoch, classifier.Device);
                Tensor images = classifier.Prepare(batch.Pixels);
                Tensor labels = training.Labels.index_select(0, index).to(classifier.Device);
                double loss = Draw(() =>
                {
                    Func<Tensor> logits = tuning.Logits(images);
                    return Step(optimizer, () => classifier.CheckShape(logits(), rows.Length), labels, batch.Share, epoch);
                });
                _progress.StepDone(loss, rows.Length);
            }

            if (_progress.Step % options.CheckpointSteps == 0 && _progress.Batch < _order.BatchesPerEpoch)
                checkpoint?.Save(state);
        }
    }

    /// <summary>
    /// Runs what may draw random numbers. Where it cannot, trainings on several threads do not wait for each other, and the application's
    /// random state is not touched.
    /// </summary>
    private T Draw<T>(Func<T> compute) => options.DrawsRandomNumbers ? random.Draw(compute) : compute();

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
            throw e.AtEpoch(epoch, _progress.Step + 1);
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
        return CalibrationMetrics.Compute(Draw(() => classifier.Probabilities(validation)), validation.LabelArray(), classifier.NumberOfClasses);
    }

    private IProgressChannel StartProgress()
    {
        IProgressChannel progress = host.StartProgressChannel("SharpnessAwareImageClassification");
        progress.SetHeader(
            new ProgressHeader(["TrainLoss", "ValidationAccuracy", "ValidationLogLoss", "ValidationECE"], ["epochs", "steps"]),
            entry =>
            {
                entry.SetProgress(0, _progress.History.Count, options.Epoch);
                entry.SetProgress(1, _progress.Step, TotalSteps);
            });
        return progress;
    }

    private void Report(EpochMetrics metrics, IProgressChannel progress)
    {
        progress.Checkpoint(metrics.TrainLoss, metrics.ValidationAccuracy, metrics.ValidationLogLoss,
            metrics.ValidationExpectedCalibrationError, metrics.Epoch, _progress.Step);
        channel.Info(metrics.ToString());
        if (metrics.Epoch == 1)
            channel.Info($"The whole training will take about {metrics.Duration * options.Epoch:h\\:mm\\:ss}.");
        options.MetricsCallback?.Invoke(metrics);
    }

    private void SaveIfCancelled(TrainingState state)
    {
        if (options.CancellationToken.IsCancellationRequested)
            checkpoint?.Save(state);
    }

    private void CheckCancelled()
    {
        options.CancellationToken.ThrowIfCancellationRequested();
        host.CheckAlive();
    }
}
