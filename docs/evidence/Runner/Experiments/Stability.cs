using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>
/// Where SAM still trains and where SSAM does (Tan et al. 2024): a grid of learning rate × ρ, with the climb normalised and not, and the
/// norms of both passes' gradients along the way.
/// </summary>
internal sealed class Stability : Experiment
{
    private static readonly double[] LearningRates = [0.05, 0.1, 0.2, 0.4, 0.8];
    private static readonly double[] Radii = [0.05, 0.1, 0.2, 0.4, 0.8];

    public override string Name => "stability";

    public override IReadOnlyList<Setting> DefaultSettings => [Setting.Fashion1000];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(
            Name, ["setting", "climb", "method", "learning_rate", "rho", "seed"],
            ["diverged", "train_loss", "accuracy", "first_norm", "second_norm", "largest_ratio"]);
        ResultFile norms = laboratory.Open(Name + "-norms", ["setting", "climb", "method", "learning_rate", "rho", "step"],
            ["first_norm", "second_norm", "loss"]);
        (double[] rates, double[] radii) = laboratory.IsSmoke ? ([0.1, 0.8], [0.8]) : (LearningRates, Radii);
        foreach (Setting setting in settings)
        {
            laboratory.Do(file, Name,
                from seed in Enumerable.Range(1, laboratory.IsSmoke ? 1 : laboratory.Seeds)
                from normalised in new[] { true, false }
                from renormalise in new[] { false, true }
                from rate in rates
                from rho in radii
                select new Run(
                    [setting.Name, normalised ? "normalised" : "unnormalised", renormalise ? "SSAM" : "SAM", Text.Of(rate), Text.Of(rho),
                        Text.Of(seed)],
                    () => Measure(laboratory, setting, new() { Rho = rho, NormalizeAscent = normalised, Renormalize = renormalise }, rate,
                        seed, null)));
            (double middle, double wide) = (rates[rates.Length / 2], radii[^1]);
            foreach ((bool normalised, bool renormalise) in new[] { (true, false), (true, true), (false, false), (false, true) })
            {
                string[] key = [setting.Name, normalised ? "normalised" : "unnormalised", renormalise ? "SSAM" : "SAM", Text.Of(middle),
                    Text.Of(wide)];
                if (norms.Rows.Any(row => row["climb"] == key[1] && row["method"] == key[2] && row["setting"] == key[0]))
                    continue;
                var points = new List<double[]>();
                Measure(laboratory, setting, new() { Rho = wide, NormalizeAscent = normalised, Renormalize = renormalise }, middle, 1,
                    points);
                laboratory.Do(norms, Name, points.Select((point, step) => new Run([.. key, step.ToString("D4")], () => point)),
                    report: false);
            }
        }
    }

    private static double[] Measure(
        Laboratory laboratory, Setting setting, SharpnessAwareMethod method, double learningRate, int seed, List<double[]>? norms)
    {
        Setting sized = laboratory.Sized(setting);
        ImageSplit images = laboratory.Images(setting);
        using var loop = new BareTraining(images.Training, sized, method, learningRate, seed);
        double first = 0, second = 0, ratio = 0;
        int steps = 0;
        bool diverged = false;
        try
        {
            loop.Run(loss =>
            {
                (first, second) = (first + loop.Optimizer.GradientNorm, second + loop.Optimizer.PerturbedGradientNorm);
                ratio = Math.Max(ratio, loop.Optimizer.PerturbedGradientNorm / loop.Optimizer.GradientNorm);
                norms?.Add([loop.Optimizer.GradientNorm, loop.Optimizer.PerturbedGradientNorm, loss]);
                steps++;
            });
        }
        catch (TrainingDivergedException)
        {
            diverged = true;
        }

        steps = Math.Max(steps, 1);
        (double trainLoss, double accuracy) = diverged ? (double.NaN, 1.0 / images.Test.NumberOfClasses)
            : (loop.Loss(images.Training), loop.Accuracy(images.Test));
        return [diverged ? 1 : 0, trainLoss, accuracy, first / steps, second / steps, ratio];
    }
}
