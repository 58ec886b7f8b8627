using System.Diagnostics;
using Microsoft.ML;
using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace MLSharpness.Evidence;

/// <summary>What came out of a fine-tuning: the scores of the test pictures, each sent through the network once, and what was seen on the
/// way.</summary>
/// <param name="Test">Probabilities before the temperature.</param>
/// <param name="Temperature">The model's.</param>
/// <param name="History">Its epochs; one for the head alone.</param>
/// <param name="Seconds">The time of Fit.</param>
internal sealed record FineTunedPictures(
    ScoreSet Test, double Temperature, IReadOnlyList<EpochMetrics> History, double Seconds)
{
    /// <summary>The columns of <see cref="Results.Scores"/>.</summary>
    public double[] Scores => Results.Scores.Of(Test.Metrics(), Test.At(Temperature).Metrics(), Temperature);

    /// <summary>The smooth calibration error before the temperature, and with it.</summary>
    public double[] SmoothErrors =>
        [Test.Metrics().SmoothCalibrationError, Test.At(Temperature).Metrics().SmoothCalibrationError];

    /// <summary>Fine-tunes on so many pictures of each class, drawn by the seed.</summary>
    /// <exception cref="InvalidOperationException">The weights are not beside the application.</exception>
    public static FineTunedPictures Train(
        Laboratory laboratory, Setting setting, int each, FineTuningVariant variant, int seed, int? side = null)
    {
        ImageSplit images = laboratory.Images(setting);
        var mlContext = new MLContext(seed);
        var options = new Options
        {
            FeatureColumnName = "Image", ImageWidth = side, ImageHeight = side, Device = laboratory.Device,
            CancellationToken = laboratory.Cancellation,
        };
        variant.Apply(options);
        if (laboratory.IsSmoke)
            (options.ImageWidth, options.ImageHeight, options.Epoch) = (32, 32, 2);
        IDataView training = images.Training.OfEachClass(each, seed).ToPictures(mlContext);
        long start = Stopwatch.GetTimestamp();
        using SharpnessAwareImageClassificationTransformer model =
            mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(training);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (model.Architecture != NetworkArchitecture.MLNetResNet18)
            throw new InvalidOperationException("The pretrained weights are not beside the application.");

        using SharpnessAwareImageClassificationTransformer raw = model.WithTemperature(1);
        return new(ScoreSet.Of(raw, images.Test.ToPictures(mlContext), images.Test.Labels, images.Test.NumberOfClasses),
            model.Temperature, [.. model.History], seconds);
    }
}
