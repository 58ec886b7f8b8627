using System.Collections.Concurrent;
using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>
/// How many validation images does a temperature need? The networks of the calibration experiment, with temperatures fitted on a few of the
/// validation images: by the log loss alone (Guo et al. 2017) and, as this library does, with one image more, half of it as the network says and
/// half with all classes alike.
/// </summary>
internal sealed class Temperature : Experiment
{
    private const int Draws = 20;

    private static readonly int[] _sizes = [20, 35, 70, 140];

    private static readonly string[] _values =
        ["log_loss", "ece", "alone_log_loss", "alone_worst_log_loss", "alone_ece", "smoothed_log_loss", "smoothed_worst_log_loss", "smoothed_ece"];

    // Scoring takes longer than all the fits, and is the same for each number of images.
    private readonly ConcurrentDictionary<(Setting, Method, int), Lazy<(float[] Validation, float[] Test)>> _scored = [];

    public override string Name => "temperature";

    public override IReadOnlyList<Setting> DefaultSettings => [Setting.SignDigits, Setting.Fashion60000, Setting.FashionVit];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(Name, ["setting", "images", "method", "rho", "seed"], _values);
        foreach (Setting setting in settings)
        {
            Radii radii = Tuning.ChooseRadii(laboratory, setting);
            laboratory.Do(file, Name,
                from seed in Enumerable.Range(1, laboratory.Seeds)
                from size in laboratory.IsSmoke ? _sizes[..1] : _sizes
                from method in Method.Four(radii)
                select new Run(
                    [setting.Name, Text.Of(size), method.Name, Text.Of(method.Minimises.Rho), Text.Of(seed)],
                    () => Measure(laboratory, setting, size, method, seed)));
        }
    }

    private double[] Measure(Laboratory laboratory, Setting setting, int size, Method method, int seed)
    {
        ImageSplit images = laboratory.Images(setting);
        (float[] validation, float[] test) = _scored.GetOrAdd((setting, method, seed), _ => new(() =>
        {
            using SharpnessAwareImageClassificationTransformer trained = laboratory.Train(setting, method, seed);
            using SharpnessAwareImageClassificationTransformer model = trained.WithTemperature(1);
            return (Laboratory.Probabilities(model, images.Validation), Laboratory.Probabilities(model, images.Test));
        })).Value;
        int classes = images.Test.NumberOfClasses;
        int[] labels = [.. images.Test.Labels];
        var random = new Random(seed);
        var alone = new List<MulticlassCalibrationMetrics>();
        var smoothed = new List<MulticlassCalibrationMetrics>();
        for (int draw = 0; draw < Draws; draw++)
        {
            int[] rows = [.. Enumerable.Range(0, images.Validation.Count)];
            random.Shuffle(rows);
            rows = rows[..size];
            float[] logarithms = [.. rows.SelectMany(row => validation.AsSpan(row * classes, classes).ToArray()).Select(p => MathF.Log(p))];
            int[] rights = [.. rows.Select(row => images.Validation.Labels[row])];
            alone.Add(At(test, labels, TemperatureScaling.Fit(logarithms, rights, classes)));
            smoothed.Add(At(test, labels, TemperatureScaling.FitWithPrior(logarithms, rights, classes)));
        }

        MulticlassCalibrationMetrics raw = At(test, labels, 1);
        return [raw.LogLoss, raw.ExpectedCalibrationError, .. Summary(alone), .. Summary(smoothed)];
    }

    private static double[] Summary(List<MulticlassCalibrationMetrics> draws) =>
        [draws.Average(draw => draw.LogLoss), draws.Max(draw => draw.LogLoss), draws.Average(draw => draw.ExpectedCalibrationError)];

    private static MulticlassCalibrationMetrics At(float[] probabilities, int[] labels, double temperature)
    {
        int classes = probabilities.Length / labels.Length;
        float[] scaled = new float[probabilities.Length];
        for (int row = 0; row < labels.Length; row++)
            TemperatureScaling.Apply(probabilities.AsSpan(row * classes, classes), temperature, scaled.AsSpan(row * classes, classes));
        return CalibrationMetrics.Compute(scaled, labels, classes);
    }
}
