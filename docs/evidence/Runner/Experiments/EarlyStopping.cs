using System.Collections.Concurrent;
using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>
/// Which validation metric chooses the epoch: each training is one, judged after each of its epochs, and each metric takes its best one.
/// All are then calibrated by a temperature of the validation images, as the trainer does.
/// </summary>
internal sealed class EarlyStopping : Experiment
{
    public const string Last = "last epoch";

    private static readonly (string Name, EarlyStoppingMetric? Metric)[] Rules =
    [
        ("accuracy", EarlyStoppingMetric.Accuracy), ("loss", EarlyStoppingMetric.Loss), ("refinement", EarlyStoppingMetric.Refinement),
        (Last, null),
    ];

    public override string Name => "early-stopping";

    public override IReadOnlyList<Setting> DefaultSettings => [Setting.Fashion2000, Setting.FashionSmall, Setting.Fashion5000];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(
            Name, ["setting", "training", "rho", "method", "seed"], ["accuracy", "ece", "log_loss", "tce", "ts_log_loss", "epoch"]);
        foreach (Setting setting in settings)
        {
            ConcurrentDictionary<(string Method, int Seed), Lazy<Epoch[]>> trained = [];
            laboratory.Do(file, Name,
                from method in new[] { Method.Base, Method.Csam(0.05, 1) }
                from seed in Enumerable.Range(1, laboratory.Seeds)
                from rule in Rules
                select new Run([setting.Name, method.Name, Text.Of(method.Minimises.Rho), rule.Name, Text.Of(seed)], () =>
                    Choose(rule.Metric, trained.GetOrAdd((method.Name, seed), _ => new Lazy<Epoch[]>(
                        () => Train(laboratory.Images(setting), laboratory.Sized(setting), method, seed))).Value)));
        }
    }

    private static Epoch[] Train(ImageSplit images, Setting setting, Method method, int seed)
    {
        using var training = new BareTraining(images.Training, setting, method.Minimises, setting.Base.LearningRate, seed);
        List<Epoch> epochs = [];
        int classes = images.Training.NumberOfClasses;
        int[] validationLabels = [.. images.Validation.Labels], testLabels = [.. images.Test.Labels];
        training.Run(_ => { }, epoch =>
        {
            float[] validation = training.Logits(images.Validation), test = training.Logits(images.Test);
            MulticlassCalibrationMetrics validated = LogitMetrics.Of(validation, validationLabels, classes);
            MulticlassCalibrationMetrics raw = LogitMetrics.Of(test, testLabels, classes);
            MulticlassCalibrationMetrics scaled = LogitMetrics.Of(
                test, testLabels, classes, TemperatureScaling.FitWithPrior(validation, validationLabels, classes));
            epochs.Add(new Epoch(
                new EpochMetrics
                {
                    Epoch = epoch, TotalEpochs = setting.Epochs, TrainLoss = 0, LearningRate = 0, ImagesPerSecond = 0,
                    Duration = TimeSpan.Zero, ValidationAccuracy = validated.Accuracy, ValidationLogLoss = validated.LogLoss,
                    ValidationExpectedCalibrationError = validated.ExpectedCalibrationError,
                    ValidationRefinement = TemperatureScaling.LeastLogLoss(validation, validationLabels, classes),
                },
                [raw.Accuracy, raw.ExpectedCalibrationError, raw.LogLoss, scaled.ExpectedCalibrationError, scaled.LogLoss]));
        });
        return [.. epochs];
    }

    private static double[] Choose(EarlyStoppingMetric? metric, Epoch[] epochs)
    {
        int chosen = metric is null ? epochs.Length : BestEpoch.Of([.. epochs.Select(epoch => epoch.Validated)], metric.Value).Epoch;
        return [.. epochs[chosen - 1].Tested, chosen];
    }

    private sealed record Epoch(EpochMetrics Validated, double[] Tested);
}
