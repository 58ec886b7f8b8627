using MLSharpness.Evidence.Data;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>A share of the training and validation labels is wrong; the test labels are right.</summary>
internal sealed class Noise : Experiment
{
    private static readonly double[] Shares = [0.2, 0.4];

    public override string Name => "noise";

    public override IReadOnlyList<Setting> DefaultSettings => [Setting.Fashion2500];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(Name, ["setting", "noise", "method", "rho", "seed"], Scores.Columns);
        foreach (Setting setting in settings)
        {
            // Those chosen with right labels: who has wrong ones does not know how many.
            Radii radii = Tuning.ChooseRadii(laboratory, setting.Name == Setting.Fashion2500.Name ? Setting.Fashion5000 : setting);
            laboratory.Do(file, Name,
                from seed in Enumerable.Range(1, laboratory.Seeds)
                from share in Shares
                from method in Method.Four(radii)
                select new Run(
                    [setting.Name, Text.Of(share), method.Name, Text.Of(method.Minimises.Rho), Text.Of(seed)],
                    () => Measure(laboratory, setting, share, method, seed)));
        }
    }

    private static double[] Measure(Laboratory laboratory, Setting setting, double share, Method method, int seed)
    {
        ImageSplit images = laboratory.Images(setting);
        using var model = laboratory.Train(setting, method, seed, images with
        {
            Training = images.Training.WithLabelNoise(share, seed), Validation = images.Validation.WithLabelNoise(share, -seed),
        }, $"noise {Text.Of(share)} ");
        return Laboratory.Score(model, images.Test);
    }
}
