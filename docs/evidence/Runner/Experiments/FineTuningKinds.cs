using System.Diagnostics;
using Microsoft.ML;
using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;
using MLSharpness.Evidence.Results;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace MLSharpness.Evidence.Experiments;

/// <summary>
/// What to train of a network that has learnt already: the head, all of it gently, all of it fully, or what Auto finds out; and the radii
/// and learning rates beside those that are the defaults.
/// </summary>
internal sealed class FineTuningKinds : Experiment
{
    private static readonly int[] Sizes = [20, 50];

    private static readonly Variant[] Defaults =
    [
        new("head", 0, options => options.FineTuning = FineTuning.HeadOnly),
        new("auto", 0, options => options.FineTuning = FineTuning.Auto),
        Gentle(0.01, 1e-3),
        Full(0.05, 0.05),
    ];

    /// <summary>One step away from the defaults, with the fewer pictures only: there are eight of them.</summary>
    private static readonly Variant[] Neighbours =
    [
        Gentle(0, 1e-3), Gentle(0.05, 1e-3), Gentle(0.01, 3e-4), Gentle(0.01, 3e-3),
        Full(0, 0.05), Full(0.1, 0.05), Full(0.05, 0.02), Full(0.05, 0.1),
    ];

    public override string Name => "fine-tuning";

    public override IReadOnlyList<Setting> DefaultSettings => [Setting.SignPictures, Setting.FashionPictures, Setting.CifarPictures];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(Name, ["setting", "pictures", "method", "rho", "seed"], [.. Scores.Columns, "seconds"]);
        int[] sizes = laboratory.IsSmoke ? [6] : Sizes;
        laboratory.Do(file, Name,
            from part in new[] { (Variants: Defaults, Sizes: sizes), (Variants: Neighbours, Sizes: sizes[..1]) }
            from size in part.Sizes
            from seed in Enumerable.Range(1, laboratory.Seeds)
            from setting in settings
            from variant in part.Variants
            select new Run(
                [setting.Name, $"{setting.Name} {Text.Of(size)}", variant.Name, Text.Of(variant.Rho), Text.Of(seed)],
                () => Measure(laboratory, laboratory.Images(setting), size, variant, seed)));
    }

    private static double[] Measure(Laboratory laboratory, ImageSplit images, int size, Variant variant, int seed)
    {
        var mlContext = new MLContext(seed);
        var options = new Options { FeatureColumnName = "Image", CancellationToken = laboratory.Cancellation };
        variant.Apply(options);
        if (laboratory.IsSmoke)
            (options.ImageWidth, options.ImageHeight, options.Epoch) = (32, 32, 2);
        IDataView training = images.Training.OfEachClass(size, seed).ToPictures(mlContext);
        long start = Stopwatch.GetTimestamp();
        using SharpnessAwareImageClassificationTransformer model =
            mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(training);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (model.Architecture != NetworkArchitecture.MLNetResNet18)
            throw new InvalidOperationException("The pretrained weights are not beside the application.");
        return [.. Laboratory.Score(model, images.Test.ToPictures(mlContext)), seconds];
    }

    private static Variant Gentle(double rho, double rate) => new($"gentle at {Text.Of(rate)}", rho, options =>
        (options.FineTuning, options.Method, options.BaseOptimizer) =
            (FineTuning.Gentle, SharpnessAwareMethod.Csam(rho), new BaseOptimizer.AdamW(rate)));

    /// <summary>As Auto tries it: ten epochs, and a fifth set aside for the temperature.</summary>
    private static Variant Full(double rho, double rate) => new($"full at {Text.Of(rate)}", rho, options =>
        (options.FineTuning, options.Method, options.BaseOptimizer, options.Epoch, options.ValidationSetFraction) =
            (FineTuning.Full, SharpnessAwareMethod.Csam(rho), new BaseOptimizer.Sgd(rate), 10, 0.2));

    /// <summary>A way to train.</summary>
    /// <param name="Name">Its name in the CSV file.</param>
    /// <param name="Rho">The radius of CSAM's climb; 0 where there is none, or where it is chosen.</param>
    /// <param name="Apply">Sets it.</param>
    private sealed record Variant(string Name, double Rho, Action<Options> Apply);
}
