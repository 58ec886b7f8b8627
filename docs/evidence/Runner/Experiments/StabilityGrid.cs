using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>
/// <see cref="Stability"/> on a finer grid, where SAM stops training: learning rates from 0.05 to 1.6, ρ from 0.2 to 1.6, with warm-up and
/// without, a network with batch norm and one without it. A training that gets no further than twice guessing counts as one that does not
/// train at all.
/// </summary>
/// <remarks>192 trainings a network and seed, in the order of seeds: forty to seventy minutes of a core with batch norm, fifteen
/// without.</remarks>
internal sealed class StabilityGrid : Experiment
{
    /// <summary>ρ g/‖g‖, and ρ g as the SSAM paper has it.</summary>
    public static readonly string[] Climbs = ["normalised", "unnormalised"];

    private const double TimesGuessing = 2;

    private static readonly double[] LearningRates = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6];
    private static readonly double[] Radii = [0.2, 0.4, 0.8, 1.6];
    private static readonly double[] WarmUps = [0.05, 0];

    public override string Name => "stability-grid";

    public override IReadOnlyList<Setting> DefaultSettings => [Setting.Fashion1000, Setting.Fashion1000Plain];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(Name, ["setting", "warm_up", "climb", "method", "learning_rate", "rho", "seed"],
            ["diverged", "trains", "accuracy", "train_loss"]);
        PlainConvNet.Register();
        (double[] rates, double[] radii) = laboratory.IsSmoke ? ([0.1, 1.6], [0.8]) : (LearningRates, Radii);
        laboratory.Do(file, Name,
            from seed in Enumerable.Range(1, laboratory.Seeds)
            from setting in settings
            from warmUp in WarmUps
            from climb in Climbs
            from rate in rates
            from rho in radii
            from name in new[] { "SAM", "SSAM" }
            select new Run([setting.Name, Text.Of(warmUp), climb, name, Text.Of(rate), Text.Of(rho), Text.Of(seed)], () => Measure(
                laboratory, setting, warmUp,
                new() { Rho = rho, NormalizeAscent = climb == "normalised", Renormalize = name == "SSAM" }, rate, seed)));
    }

    private static double[] Measure(
        Laboratory laboratory, Setting setting, double warmUp, SharpnessAwareMethod method, double rate, int seed)
    {
        ImageSplit images = laboratory.Images(setting);
        double guessing = 1.0 / images.Test.NumberOfClasses;
        using var training = new BareTraining(images.Training, laboratory.Sized(setting), method, rate, seed)
        {
            Schedule = new LearningRateSchedule.Cosine(warmUp),
        };
        try
        {
            training.Run(_ => { });
        }
        catch (TrainingDivergedException)
        {
            return [1, 0, guessing, double.NaN];
        }

        double accuracy = training.Accuracy(images.Test);
        return [0, accuracy > TimesGuessing * guessing ? 1 : 0, accuracy, training.Loss(images.Training)];
    }
}
