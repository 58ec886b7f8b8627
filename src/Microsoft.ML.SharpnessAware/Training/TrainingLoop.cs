using System.Diagnostics;
using Microsoft.ML.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The epochs of a training, top to bottom: shuffle, augment, two-pass steps, validate, report, perhaps stop.</summary>
internal sealed class TrainingLoop(TrainingContext context, TrainingPlan plan, TrainingCheckpoint? checkpoint = null)
{
    private const int BatchesForStatistics = 50;
    private const int PassStream = 3;

    private readonly SharpnessAwareImageClassificationTrainer.Options _options = plan.Options;
    private readonly ImageClassifier _classifier = plan.Classifier;
    private readonly BaseOptimizer _baseOptimizer = plan.Options.EffectiveBaseOptimizer;
    private readonly BatchOrder _order = new(
        plan.Training.Count, plan.Options.BatchSize, context.Seed, plan.Training.Owners);
    private readonly Augmenter _augmenter = Augmenter(plan, context.Seed);
    private readonly TrainingProgress _progress = new();
    private readonly ProcessGroup? _group = context.Group;

    /// <summary>One entry for each epoch that has ended.</summary>
    public IReadOnlyList<EpochMetrics> History => _progress.History;

    public int StepsPerEpoch => _order.BatchesPerEpoch;

    private EarlyStoppingMetric Metric => _options.EarlyStoppingCriteria?.Metric ?? EarlyStoppingMetric.Loss;

    private long TotalSteps => (long)_options.Epoch * _order.BatchesPerEpoch;

    /// <summary>The number of steps before the late phase, in which the method's steps are those of the base optimiser.</summary>
    private long StepsBeforeClimbs => _options.Method.StepsBeforeClimbs(TotalSteps);

    /// <summary>The epoch in which everything that is asked for has begun: climbs, an average, and the whole network.</summary>
    private int FirstEpochOfAll(TrainedPart part) => Math.Max(
        Math.Max(part.Average?.FirstEpoch ?? 1, plan.IsOnFeatures ? 1 : _options.FreezeEpochs + 1),
        _options.Method is { LatePhase: > 0 } and not { Rho: 0, Gamma: 0 } ? (int)(StepsBeforeClimbs / _order.BatchesPerEpoch) + 1 : 1);

    /// <summary>Trains the plan's network, from where its checkpoint left off if there is one, and returns one entry an epoch.</summary>
    public IReadOnlyList<EpochMetrics> Run()
    {
        using var part = new TrainedPart(_options, _classifier, context.Seed, TotalSteps);
        using var best = new BestWeights(_classifier.Network);
        using var report = new TrainingReport(context, plan, _progress, _order.BatchesPerEpoch, StepsBeforeClimbs);
        var state = new TrainingState(_progress, _classifier.Network, part, best, context.Random);
        var retry = new DivergenceRetry(_options.OnDivergence, state, _progress, context.Channel);
        CheckEachHasImages();
        bool continues = checkpoint?.Restore(state) == true;
        if (_group is null ? continues : state.TakeFromFirst(_group, continues))
        {
            _progress.CheckWithin(_options.Epoch, _order.BatchesPerEpoch);
            context.Channel.Info($"Continuing from '{_options.CheckpointPath}' at epoch {_progress.Epoch}, step {_progress.Step}.");
            if (_progress.Batch == 0 && _progress.History is [.., var last])     // earlier versions did not ask
            {
                byte[] random = context.Random.State;      // an undisturbed run has no such pass, in which layers may draw
                CheckOutputs(last);
                context.Random.State = random;
            }
        }

        while (_progress.Epoch <= _options.Epoch && !_progress.StoppedEarly)
        {
            retry.Remember();
            try
            {
                EpochMetrics metrics = TrainAndValidate(part, best, state, report);
                checkpoint?.Save(state);
                report.EpochDone(metrics);
            }
            catch (TrainingDivergedException exception) when (retry.CanRestore)
            {
                retry.Restore(exception);
            }
            catch (CandidateEndedException exception) when (exception.IsJudged && _progress.History.Count > 0)
            {
                TakeBest(part, best);
                throw;
            }
        }

        TakeBest(part, best);
        return _progress.History;
    }

    /// <summary>The weights of the best epoch or their average, where there is one; else the last.</summary>
    private void TakeBest(TrainedPart part, BestWeights best)
    {
        if (best.Epoch == 0)
            KeepAverage(part, best);
        if (best.Epoch != 0 && (best.Epoch != _progress.History.Count || part.Average is not null))
        {
            best.Restore();
            plan.Validation?.Forget();
            CheckOutputs(_progress.History[best.Epoch - 1]);
        }
        _classifier.Network.eval();
    }

    private void CheckOutputs(EpochMetrics epoch) =>
        OutputCheck.Check(plan, epoch.Epoch, (long)epoch.Epoch * _order.BatchesPerEpoch, epoch.LearningRate, epoch.TrainLoss);

    private EpochMetrics TrainAndValidate(TrainedPart part, BestWeights best, TrainingState state, TrainingReport report)
    {
        int epoch = _progress.Epoch, batchesBefore = _progress.Batch;
        long start = Stopwatch.GetTimestamp();
        SharpnessAwareOptimizer optimizer = part.OptimizerFor(epoch);
        TrainOneEpoch(part, optimizer, state, report);
        TimeSpan ofSteps = Stopwatch.GetElapsedTime(start);
        // As if all of them had been done in this run.
        TimeSpan ofAllSteps = ofSteps * ((double)_order.BatchesPerEpoch / (_order.BatchesPerEpoch - batchesBefore));
        double loss = _progress.LossSum / plan.Training.Count;
        ProcessGroupChecks.SameModel(_group, _classifier.Network);
        part.Average?.EpochDone(epoch);
        using IDisposable? averaged = Averaged(part, epoch);
        OutputCheck.Check(plan, epoch, _progress.Step, optimizer.LearningRate, loss);
        MulticlassCalibrationMetrics? validated = plan.Validation?.Metrics();
        var metrics = new EpochMetrics
        {
            Epoch = epoch,
            TotalEpochs = _options.Epoch,
            TrainLoss = loss,
            ValidationAccuracy = validated?.Accuracy ?? double.NaN,
            ValidationLogLoss = validated?.LogLoss ?? double.NaN,
            ValidationRefinement = plan.Validation?.Refinement() ?? double.NaN,
            ValidationExpectedCalibrationError = validated?.ExpectedCalibrationError ?? double.NaN,
            LearningRate = optimizer.LearningRate,
            ImagesPerSecond = plan.Training.Count / ofAllSteps.TotalSeconds,
            Duration = Stopwatch.GetElapsedTime(start) - ofSteps + ofAllSteps,
        };
        EndEpoch(metrics, best, FirstEpochOfAll(part));
        return metrics;
    }

    private void TrainOneEpoch(TrainedPart part, SharpnessAwareOptimizer optimizer, TrainingState state, TrainingReport report)
    {
        int epoch = _progress.Epoch;
        plan.Validation?.Forget();
        part.StartTraining();
        foreach (ReadOnlyMemory<long> rows in _order.Epoch(epoch).Skip(_progress.Batch))
        {
            if (context.AnyIsCancelled())
            {
                checkpoint?.Save(state);
                context.CheckCancelled();
                throw new OperationCanceledException("Another process of the group was cancelled.");
            }
            context.TimeLimit?.StepStarts();
            double factor = _options.Schedule.Factor(_progress.Step, TotalSteps);
            optimizer.LearningRate = Math.ScaleB(_baseOptimizer.LearningRate * factor, -_progress.Halvings);
            optimizer.Climbs = _progress.Step >= StepsBeforeClimbs;

            using (DisposeScope scope = NewDisposeScope())
            {
                (Tensor images, Tensor labels, Tensor otherLabels, Tensor? share) = Batch(rows, epoch);
                double loss = Draw(() =>
                {
                    (Func<Tensor, Tensor> network, Tensor inputs) = part.Pass(images);
                    return Step(optimizer, x => _classifier.CheckShape(network(x), x.shape[0]), inputs, labels, otherLabels, share);
                });
                part.Average?.StepDone();
                _progress.StepDone(loss, rows.Length);
                report.StepDone();
            }

            if (_progress.Step % _options.CheckpointSteps == 0 && _progress.Batch < _order.BatchesPerEpoch)
                checkpoint?.Save(state);
        }
    }

    /// <summary>The part of a mini-batch that is this process': all of it where there is one.</summary>
    private (Tensor Images, Tensor Labels, Tensor OtherLabels, Tensor? Share) Batch(ReadOnlyMemory<long> allRows, int epoch)
    {
        (int start, int end) = PartOf(allRows);
        bool mixes = _group is not null && _options.Augmentation.MixesLabels && plan.Training.SharedBy is null;
        ReadOnlyMemory<long> rows = allRows[start..end];
        if (mixes)      // each image with the one before it, which may be another process'; its own where it has no others
            rows = (long[])[allRows.Span[(start == 0 ? allRows.Length : start) - 1], .. rows.Span];
        Tensor index = tensor(rows.ToArray(), device: CPU);
        AugmentedBatch batch = _augmenter.Apply(plan.Training.Batch(index), rows.Span, epoch, _classifier.Device);
        Tensor labels = plan.Training.Labels.index_select(0, index).to(_classifier.Device);
        Tensor images = _classifier.Prepare(batch.Pixels), otherLabels = batch.Share is null ? labels : LabelMixing.Partners(labels);
        return mixes
            ? (Own(images), Own(labels), Own(otherLabels), batch.Share is null ? null : Own(batch.Share))
            : (images, labels, otherLabels, batch.Share);

        static Tensor Own(Tensor all) => all.narrow(0, 1, all.shape[0] - 1);
    }

    private (int Start, int End) PartOf(ReadOnlyMemory<long> rows)
    {
        int count = rows.Length;
        if (_group is null)
            return (0, count);
        if (plan.Training.SharedBy is null)
            return ((int)((long)count * _group.Rank / _group.Size), (int)((long)count * (_group.Rank + 1) / _group.Size));
        RowOwners owners = plan.Training.Owners!;
        int start = 0, end = count;
        while (start < count && !owners.IsHere(rows.Span[start]))
            start++;
        while (end > start && !owners.IsHere(rows.Span[end - 1]))
            end--;
        return (start, end);
    }

    /// <exception cref="InvalidOperationException">Some mini-batch has fewer images than there are processes.</exception>
    private void CheckEachHasImages()
    {
        if (_group is not null && _order.SmallestPart(_group.Size) < 1)
        {
            long smallest = plan.Training.Count / _order.BatchesPerEpoch;
            throw new InvalidOperationException(
                $"A mini-batch of {smallest} image(s) cannot be shared out to {_group.Size} processes: there are {plan.Training.Count} " +
                $"images, and BatchSize, that of all processes together, is {_options.BatchSize}. Set a larger BatchSize, or start fewer " +
                "processes.");
        }
    }

    /// <summary>
    /// Runs what may draw random numbers. Processes of a group draw each their own, by seed, step and rank, so that no two have the same
    /// dropout masks, and a checkpoint of the first is one of all.
    /// </summary>
    private T Draw<T>(Func<T> compute) => _group is null
        ? plan.Draw(compute)
        : plan.Draw(SeededRandom.Create(context.Seed, PassStream, (int)_progress.Step, _group.Rank).Next(), compute);

    private double Step(SharpnessAwareOptimizer optimizer, Func<Tensor, Tensor> network, Tensor inputs, Tensor labels,
        Tensor otherLabels, Tensor? share)
    {
        try
        {
            return share is null
                ? optimizer.Step(network, inputs, labels)
                : optimizer.Step(network, inputs, labels, otherLabels, share);
        }
        catch (TrainingDivergedException e)
        {
            throw e.AtEpoch(_progress.Epoch, _progress.Step + 1);
        }
    }

    private void EndEpoch(EpochMetrics metrics, BestWeights best, int firstToCount)
    {
        _progress.EpochDone(metrics);
        if (BestEpoch.IsLatest(_progress.History, Metric))
        {
            if (_options.EarlyStoppingCriteria is not null)
                best.Keep(metrics.Epoch);
            checkpoint?.KeepModel(plan.FitTemperature(), _progress.History);
        }
        if (_options.EarlyStoppingCriteria?.IsDue(_progress.History, firstToCount) == true && metrics.Epoch < _options.Epoch)
        {
            context.Channel.Info($"Stopped after epoch {metrics.Epoch}: no improvement for {_options.EarlyStoppingCriteria.Patience} " +
                                 $"epochs. The best epoch was {best.Epoch}.");
            _progress.StoppedEarly = true;
        }
    }

    /// <summary>
    /// The network with the average of its weights until the result is disposed. Images, augmentation and random numbers of the passes are
    /// the same each time for an epoch, and so are the running statistics.
    /// </summary>
    private IDisposable? Averaged(TrainedPart part, int epoch) => part.Average?.Apply(() =>
    {
        if (part.BackboneIsFrozen)
            return;
        part.StartTraining();       // in the modes of a step: statistics that are frozen in it stay
        ReadOnlyMemory<long>[] batches = [.. _order.Epoch(epoch).Take(BatchesForStatistics)];
        using var random = new TorchRandom(context.Seed, _classifier.Device);
        part.ShareStatistics(batches.Sum(rows => PartOf(rows).End - PartOf(rows).Start), () => random.Draw(() =>
        {
            WeightAverage.UpdateStatistics(_classifier.Network, batches.Select(
                rows => (Action)(() =>
                {
                    plan.CheckCancelled();
                    _classifier.Run(Batch(rows, epoch).Images);
                })));
            return 0;
        }));
    });

    /// <summary>Keeps the average, as it was validated after the last epoch, where there is one.</summary>
    private void KeepAverage(TrainedPart part, BestWeights kept)
    {
        using IDisposable? averaged = Averaged(part, _progress.History.Count);
        if (averaged is not null)
            kept.Keep(_progress.History.Count);
    }

    private static Augmenter Augmenter(TrainingPlan plan, int seed)
    {
        Augmentation augmentation = plan.Options.Augmentation;
        double white = augmentation.ChangesColors ? PixelScale.White(plan.Training) : 1;
        return new(augmentation, seed, white, plan.Classifier.Normalization.Statistics.Mean);
    }
}
