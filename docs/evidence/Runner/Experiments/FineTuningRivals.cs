using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>
/// The head of a pretrained network beside what ML.NET makes of the same pictures: its own path (DnnFeaturizeImage and maximum entropy),
/// and its trainers on this library's features; each as it is and after each calibrator, which is fitted on rows that are scored by models
/// that had not seen them.
/// </summary>
/// <remarks>
/// Every picture goes through each network once. There are 2,500 pictures to draw from (1,246 hand signs), so that large draws have many
/// pictures in common, and their spread is smaller than that of new pictures would be; of the hand signs 200 a class are all there are.
/// </remarks>
internal sealed class FineTuningRivals : Experiment
{
    private static readonly int[] Sizes = [10, 50, 200];

    public override string Name => "fine-tuning-rivals";

    public override IReadOnlyList<Setting> DefaultSettings => [Setting.SignFeatures, Setting.CifarFeatures, Setting.FashionFeatures];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(
            Name, ["setting", "pictures", "method", "calibrator", "seed"], ["accuracy", "ece", "smooth_ece", "log_loss", "brier"]);
        var features = new KeptFeatures(laboratory);
        foreach (Setting setting in settings)
        {
            ImageSplit images = laboratory.Images(setting);
            laboratory.Do(file, Name,
                from size in laboratory.IsSmoke ? [6] : Sizes
                // Where a draw is all pictures there is one.
                from seed in Enumerable.Range(1, size * images.Training.NumberOfClasses < images.Training.Count ? laboratory.Seeds : 1)
                from model in HeadModels.All
                let trained = new Lazy<(ScoreSet Unseen, double Temperature, ScoreSet[] Tests)>(
                    () => Train(features, setting, images, model, size, seed))
                from calibrator in Calibrators.All
                select new Run([setting.Name, Text.Of(size), model.Name, calibrator.Name, Text.Of(seed)],
                    () => Measure(trained.Value.Unseen, trained.Value.Tests[0], calibrator.Make)));
        }
    }

    private static (ScoreSet Unseen, double Temperature, ScoreSet[] Tests) Train(
        KeptFeatures features, Setting setting, ImageSplit images, (string Name, string Features) model, int size, int seed)
    {
        float[][] training = features.Of(model.Features, setting.Name + " training", images.Training);
        float[][] test = features.Of(model.Features, setting.Name + " test", images.Test);
        int[] rows = images.Training.RowsOfEachClass(size, seed);
        return HeadModels.Train(model.Name, Array.ConvertAll(rows, row => training[row]),
            Array.ConvertAll(rows, row => images.Training.Labels[row]), [(test, [.. images.Test.Labels])],
            images.Training.NumberOfClasses, seed);
    }

    private static double[] Measure(
        ScoreSet unseen, ScoreSet test, Func<MulticlassCalibratorsCatalog, MulticlassCalibratorEstimator>? make)
    {
        MulticlassCalibrationMetrics metrics = test.Measure(make, unseen);
        return [metrics.Accuracy, metrics.ExpectedCalibrationError, metrics.SmoothCalibrationError, metrics.LogLoss, metrics.BrierScore];
    }
}
