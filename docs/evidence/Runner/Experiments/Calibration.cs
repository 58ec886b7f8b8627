using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>Which method's probabilities mean what they say? After the CIFAR-10 table of Tan et al. 2025, with rivals.</summary>
internal sealed class Calibration : Experiment
{
    public override string Name => "calibration";

    // The others by name, each within two hours.
    public override IReadOnlyList<Setting> DefaultSettings => [Setting.Fashion5000];

    private static IReadOnlyList<Method> Methods(Setting setting, Radii radii) => setting.HasRivals
        ? [.. Method.Four(radii), Method.Csam(radii.Csam, 0.5), Method.Csam(radii.Csam, 2), Method.LabelSmoothing, Method.Focal]
        : Method.Four(radii);

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(Name, ["setting", "method", "rho", "seed"], [.. Scores.Columns, "train_loss", "train_seconds"]);
        foreach (Setting setting in settings)
        {
            Radii radii = Tuning.ChooseRadii(laboratory, setting);
            laboratory.Do(file, Name,
                from seed in Enumerable.Range(1, laboratory.Seeds)
                from method in Methods(setting, radii)
                select new Run(Key(setting, method, seed), () => Measure(laboratory, setting, method, seed)));
        }
    }

    private static string[] Key(Setting setting, Method method, int seed) =>
        [setting.Name, method.Name, Text.Of(method.Minimises.Rho), Text.Of(seed)];

    private static double[] Measure(Laboratory laboratory, Setting setting, Method method, int seed)
    {
        using var model = laboratory.Train(setting, method, seed);
        return
        [
            .. Laboratory.Score(model, laboratory.Images(setting).Test),
            model.History[^1].TrainLoss, model.History.Sum(epoch => epoch.Duration.TotalSeconds),
        ];
    }
}
