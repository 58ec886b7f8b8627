using System.Diagnostics;
using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;
using Microsoft.ML.Runtime;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A training that starts from weights: the head on features that were kept, then, where it is asked for and time is given, the whole
/// network, which has to be better than the head on images that neither has seen.
/// </summary>
internal sealed class FineTuningRun(Options options, FineTuningImages images, TrainingContext context)
{
    // A fifth decides between candidates: a tenth of a few hundred images cannot.
    private const double ShareSetAside = 0.2;

    private const string ColorsLeftOut =
        "Nothing tells which value of the float pixels is white, so that no colours are changed by the augmentation.";

    private const string ByClock = "This was decided by the clock, and may be otherwise another time.";

    // Training on a CPU, of one thread, and on anything else: less than was seen on any that was tried. What is worth trying is decided by
    // it before the clock can tell, so it may not be far off.
    private const double OperationsPerSecondOfThread = 25e9, OperationsPerSecondOfGpu = 1e12;
    private const double PassesOfForward = 3; // forward, and backward for weights and for activations

    /// <summary>Trains the classifier's network, or a copy of it that takes its place.</summary>
    public TrainedClassifier Run(ImageClassifier classifier)
    {
        long start = images.Start;
        Log($"{images.TrainingCount + (images.ValidationCount ?? 0)} images went through the backbone once ({Seconds(start)}); the head " +
            "is trained on their features.");

        FittedHead head = FittedHead.Fit(images.Features.Training, images.Features.Validation, context.CheckCancelled);
        Describe(head, classifier.NumberOfClasses, start);
        IReadOnlyList<FineTuningCandidate> plan = Plan(classifier);
        return plan.Count > 0 && images.Pixels is TrainingImages pixels
            && TryWholeNetwork(plan, classifier, pixels) is TrainedClassifier better
            ? better
            : Finish(classifier, head, start);
    }

    /// <summary>
    /// Whether so many images to train on, and as many to validate on, are few enough for the whole network to be trained on them after the
    /// head, by the same estimate that decides it later: pixels of more are not needed.
    /// </summary>
    public static Func<long, long, bool> AreFewEnough(Options options, ImageClassifier classifier)
    {
        if (IsHeadAlone(options))
            return (_, _) => false;
        if (options.FineTuning != FineTuning.Auto)
            return (_, _) => true;
        double seconds = SecondsOfOneImage(classifier);
        return (count, validation) => FineTuningCandidate.Within(
            options, options.TimeBudget!.Value, count * seconds, validation / Math.Max(1.0, count)).Count > 0;
    }

    private static bool IsHeadAlone(Options options) =>
        options.FineTuning == FineTuning.HeadOnly || (options.FineTuning == FineTuning.Auto && options.TimeBudget is null);

    /// <summary>The estimate for an image's part in an epoch of the whole network.</summary>
    private static double SecondsOfOneImage(ImageClassifier classifier) =>
        SecondsOfOneImage(NetworkCost.OfOneImage(classifier), classifier.Device);

    /// <summary>The same for a network whose forward pass takes so many multiplications and additions.</summary>
    internal static double SecondsOfOneImage(double cost, Device device) => cost * PassesOfForward * 2
        / (device.type == DeviceType.CPU ? OperationsPerSecondOfThread * Threads.Useful : OperationsPerSecondOfGpu);

    private double SecondsOfAnEpoch(ImageClassifier classifier) => images.TrainingCount * SecondsOfOneImage(classifier);

    /// <summary>What to try after the head, as far as time goes by the estimate, and how long it will take.</summary>
    private IReadOnlyList<FineTuningCandidate> Plan(ImageClassifier classifier)
    {
        if (IsHeadAlone(options))
            return [];
        long heldOut = images.ValidationCount ?? (long)Math.Round(ShareSetAside * images.TrainingCount);
        if (options.FineTuning == FineTuning.Auto && heldOut < options.LeastToCompareOn)
        {
            Log($"{heldOut} images are too few to tell whether the whole network is better than the head: the head is the model.");
            return [];
        }

        double seconds = SecondsOfAnEpoch(classifier);
        if (options.FineTuning != FineTuning.Auto)
        {
            FineTuningCandidate candidate = FineTuningCandidate.Of(options.FineTuning, options);
            Log($"{candidate.Kind}: {candidate.Epochs} epochs of the whole network, about {Text(candidate.Cost * seconds)}.");
            return [candidate];
        }

        // Those that are set aside are counted among those to train on.
        IReadOnlyList<FineTuningCandidate> candidates = FineTuningCandidate.Within(
            options, options.TimeBudget!.Value, seconds, (images.ValidationCount ?? 0) / (double)images.TrainingCount);
        Log(candidates.Count == 0
            ? $"An epoch of the whole network takes about {Text(seconds)}, so that nothing is worth trying within TimeBudget " +
                $"({Text(options.TimeBudget.Value.TotalSeconds)}): " +
              "the head is the model."
            : $"The whole network is tried as well, about {Text(candidates.Sum(candidate => candidate.Cost) * seconds)}: " +
              $"{string.Join(", then ", candidates.Select(candidate => $"{candidate.Name} for {candidate.Epochs} epochs"))}.");
        return candidates;
    }

    /// <summary>
    /// Trains the candidates on a part of the images; null where none is better, beyond chance, than a head that was trained on the same
    /// part.
    /// </summary>
    private TrainedClassifier? TryWholeNetwork(
        IReadOnlyList<FineTuningCandidate> plan, ImageClassifier classifier, TrainingImages pixels)
    {
        string?[] advices =
        [
            FineTuningCandidate.AdviceOnRadius(options), FineTuningCandidate.AdviceOnBaseOptimizer(options),
            FineTuningCandidate.AdviceOnRate(options),
        ];
        foreach (string? advice in advices)
        {
            if (advice is not null)
                context.Channel.Warning(advice);
        }

        TimeLimit? limit = options.FineTuning == FineTuning.Auto ? new TimeLimit(options.TimeBudget!.Value, options.Clock) : null;
        using TrainingImages parts = Parts(pixels);
        if (parts.Validation is not ImageDataset held)
        {
            Log("There are too few images to set some aside, so the whole network is not tried.");
            return null;
        }

        using TrainingImages featureParts = Parts(images.Features);
        FittedHead head = FittedHead.Fit(featureParts.Training, validation: null, context.CheckCancelled);
        int[] labels = held.LabelArray();
        HeldOutLoss best = HeldOutLoss.Of(head.LogitsOf(featureParts.Validation!), labels, classifier.NumberOfClasses), ofHead = best;
        TrainedClassifier? winner = null;
        try
        {
            double validationShare = held.Count / (double)parts.Training.Count;
            // The clock tells what there is time for once one has ended, perhaps early.
            foreach (FineTuningCandidate kind in (limit is null ? plan : FineTuningCandidate.Candidates(options))
                .Select(each => each with { ValidationShare = validationShare }))
            {
                FineTuningCandidate? candidate = limit is null ? kind : kind.Within(limit.EpochsLeft(SecondsOfAnEpoch(classifier)));
                if (candidate is null)
                {
                    Log($"{kind.Name}: there is no time left for it. {ByClock}");
                    continue;
                }
                if (Difference(candidate, plan) is string difference)
                    Log($"{difference} {ByClock}");

                if (Train(candidate, classifier, head, ofHead.Mean, parts, limit)
                    is not (TrainedClassifier trained, HeldOutLoss loss, FineTuningCandidate done))
                    continue;

                Log(string.Create(CultureInfo.InvariantCulture,
                    $"{done.Name}: accuracy {loss.Accuracy:P1}, log loss {loss.Mean:F3} on {labels.Length} images " +
                    $"set aside, where the head has {ofHead.Accuracy:P1} and {ofHead.Mean:F3}."));
                bool isBetter = options.FineTuning != FineTuning.Auto || loss.IsBetterThan(best);
                (isBetter ? winner : trained)?.Classifier.Dispose();
                if (isBetter)
                    (winner, best) = (trained, loss);
            }
        }
        catch
        {
            winner?.Classifier.Dispose();
            throw;
        }

        if (limit is not null && options.TimeBudget is TimeSpan budget)
        {
            Log($"That took {Text((budget - limit.Left).TotalSeconds)}" +
                $"{(budget == TimeSpan.MaxValue ? "" : $" of {Text(budget.TotalSeconds)}")}.");
        }

        if (winner is null)
            Log("None is better than the head beyond chance: the head is the model.");
        else
            classifier.Dispose();
        if (winner is not null && options.Calibration != ProbabilityCalibration.None
            && labels.Length < ClassifierTraining.FewToCalibrateOn)
        {
            context.Channel.Warning($"The whole network's temperature is fitted on the {labels.Length} images set aside. " +
                ClassifierTraining.FewSayLittle);
        }

        return winner;
    }

    /// <summary>In what a candidate is not as the log has said; null where it is.</summary>
    private static string? Difference(FineTuningCandidate candidate, IReadOnlyList<FineTuningCandidate> plan)
    {
        string now = $"{candidate.Name} for {candidate.Epochs} epochs";
        return plan.FirstOrDefault(planned => (planned.Kind, planned.StepsAreLarge) == (candidate.Kind, candidate.StepsAreLarge)) switch
        {
            null => $"{now}, which the estimate had left out.",
            var planned when (planned.Name, planned.Epochs) == (candidate.Name, candidate.Epochs) => null,
            var planned when planned.Name == candidate.Name => $"{now} instead of {planned.Epochs}.",
            var planned => $"{now} instead of {planned.Name} for {planned.Epochs}.",
        };
    }

    /// <summary>Trains a copy of the network; null where it diverges, is far from the head, or has no time for as much as an
    /// epoch.</summary>
    private (TrainedClassifier Trained, HeldOutLoss Loss, FineTuningCandidate Done)? Train(
        FineTuningCandidate candidate, ImageClassifier classifier, FittedHead head, double lossOfHead, TrainingImages parts,
        TimeLimit? limit, bool mayReplan = true)
    {
        ImageClassifier copy = ClassifierCopy.Of(classifier, classifier.Device, context.Random.Draw);
        bool isKept = false;
        CandidateEndedException? ended = null;
        try
        {
            if (candidate.Kind == FineTuning.Gentle)
                head.CopyTo(ClassificationHead.Of(copy.Network, copy.NumberOfClasses, copy.Architecture).Layer, head.Temperature);
            Options settings = Quiet(candidate.Apply(options, parts.Training.Count));
            bool mayLeaveOut = options.GivenAugmentation is null || options.FineTuning == FineTuning.Auto;
            if (mayLeaveOut && settings.Augmentation.ChangesColors
                && (options.GivenAugmentation is null ? PixelScale.Known(parts.Training) : PixelScale.Likely(parts.Training)) is null)
            {
                settings.Augmentation = settings.Augmentation with { ColorJitter = null, RandAugment = null };
                if (options.GivenAugmentation is null)
                    Log(ColorsLeftOut);
                else
                    context.Channel.Warning(ColorsLeftOut);
            }

            if (options.FineTuning == FineTuning.Auto)
            {
                double lowest = double.PositiveInfinity;
                settings.MetricsCallback += epoch =>
                {
                    lowest = Math.Min(lowest, epoch.ValidationRefinement);
                    GiveUpWhereHopeless(candidate with { Epochs = settings.Epoch }, epoch.Epoch, lowest, lossOfHead);
                };
            }

            using TrainingPlan plan = TrainingPlan.WholeNetwork(settings, copy, parts.Training, parts.Validation, context);
            var loop = new TrainingLoop(context with { TimeLimit = limit, Phase = candidate.Name }, plan);
            limit?.Begin(candidate, loop.StepsPerEpoch, mayReplan);
            try
            {
                loop.Run();
            }
            catch (CandidateEndedException e)
            {
                Log($"{candidate.Name}: {e.Message}.{(e.IsByClock ? " " + ByClock : "")}");
                ended = e;
            }

            if (ended is null or { IsJudged: true } && loop.History.Count > 0)
            {
                HeldOutLoss loss = HeldOutLoss.Of(plan.Validation!.Logits, parts.Validation!.LabelArray(), copy.NumberOfClasses);
                if (!double.IsFinite(loss.Mean))
                    return null;
                isKept = true;
                return (new(copy, plan.FitTemperature(), loop.History, settings.Method), loss, candidate);
            }
        }
        catch (TrainingDivergedException e) when (options.FineTuning == FineTuning.Auto)
        {
            context.Channel.Warning($"{candidate.Name}: {e.Message} Fine-tuning goes on without it.");
        }
        finally
        {
            if (!isKept)
                copy.Dispose();
        }

        return ended?.Instead is FineTuningCandidate instead
            ? Train(instead, classifier, head, lossOfHead, parts, limit, mayReplan: false) : null;
    }

    private static void GiveUpWhereHopeless(FineTuningCandidate candidate, int epoch, double lowestLoss, double lossOfHead)
    {
        if (!candidate.IsHopeless(epoch, lowestLoss, lossOfHead))
            return;
        throw new CandidateEndedException(string.Create(CultureInfo.InvariantCulture,
            $"given up, since in {epoch} of {candidate.Epochs} epochs its log loss was never below {lowestLoss:F3} on the images set " +
            $"aside, where the head has {lossOfHead:F3}"));
    }

    /// <summary>What to train on and what to compare on: the same rows of pixels and of features. As for the head, pictures that follow
    /// each other are on one side: it would be the better for the whole network, and its temperature the worse for those to come, if it had
    /// seen the people that it is judged on.</summary>
    private TrainingImages Parts(TrainingImages all) =>
        all.Validation is null ? all.SetAside(ShareSetAside, context.Seed, together: true) : all.WithOwnValidation();

    private static Options Quiet(Options candidate)
    {
        candidate.CheckpointPath = null;        // a candidate may not be the model
        candidate.EarlyStoppingCriteria = null;
        return candidate;
    }

    private void Describe(FittedHead head, int classes, long start)
    {
        MulticlassCalibrationMetrics calibrated = LogitMetrics.Of(head.HeldOutLogits, head.HeldOutLabels, classes, head.Temperature);
        string rows = head.IsCrossFitted
            ? $"{head.HeldOutLabels.Length} training images, each by a head that had not seen it"
            : $"{head.HeldOutLabels.Length} validation images";
        Log(string.Create(CultureInfo.InvariantCulture,
            $"The head ({Seconds(start)}): accuracy {calibrated.Accuracy:P1}, log loss {calibrated.LogLoss:F3}, ECE " +
                $"{calibrated.ExpectedCalibrationError:P1} on {rows}; " +
            $"ridge {head.Ridge}, temperature {head.Temperature:F3}."));
    }

    private TrainedClassifier Finish(ImageClassifier classifier, FittedHead head, long start)
    {
        head.CopyTo(ClassificationHead.Of(classifier.Network, classifier.NumberOfClasses, classifier.Architecture).Layer);
        classifier.Network.eval();
        int classes = classifier.NumberOfClasses;
        MulticlassCalibrationMetrics raw = LogitMetrics.Of(head.HeldOutLogits, head.HeldOutLabels, classes);
        double temperature = options.Calibration == ProbabilityCalibration.None ? 1 : head.Temperature;
        TimeSpan duration = Stopwatch.GetElapsedTime(start);
        var metrics = new EpochMetrics
        {
            Epoch = 1,
            TotalEpochs = 1,
            TrainLoss = head.TrainLoss,
            ValidationAccuracy = raw.Accuracy,
            ValidationLogLoss = raw.LogLoss,
            ValidationRefinement = TemperatureScaling.LeastLogLoss(head.HeldOutLogits, head.HeldOutLabels, classes),
            ValidationExpectedCalibrationError = raw.ExpectedCalibrationError,
            LearningRate = 0,
            ImagesPerSecond = images.TrainingCount / duration.TotalSeconds,
            Duration = duration,
        };
        options.MetricsCallback?.Invoke(metrics with { Phase = "head" });
        return new TrainedClassifier(classifier, temperature, [metrics], SharpnessAwareMethod.Standard);
    }

    private static string Text(double seconds) => seconds < 600
        ? string.Create(CultureInfo.InvariantCulture, $"{seconds:F0} s")
        : string.Create(CultureInfo.InvariantCulture, $"{seconds / 60:F0} minutes");

    private static string Seconds(long start) =>
        string.Create(CultureInfo.InvariantCulture, $"{Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s");

    private void Log(string message) => context.Channel.Info(message);
}
