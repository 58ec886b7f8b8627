using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>
/// How much of a method's gain stays where it climbs less: in the last quarter of the training only, along the gradient of a quarter of the
/// mini-batch, in every fifth step, or in the last quarter along that of a quarter.
/// </summary>
internal sealed class Cheaper : Experiment
{
    public override string Name => "cheaper";

    public override IReadOnlyList<Setting> DefaultSettings =>
        [Setting.FashionSmall, Setting.SignDigits, Setting.FashionVit, Setting.Fashion5000];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(Name, ["setting", "method", "rho", "seed"], Scores.Columns);
        foreach (Setting setting in settings)
        {
            Radii radii = Tuning.ChooseRadii(laboratory, setting);
            laboratory.Do(file, Name,
                from seed in Enumerable.Range(1, laboratory.Seeds)
                from method in Method.Four(radii).SelectMany(Variants)
                select new Run([setting.Name, method.Name, Text.Of(method.Minimises.Rho), Text.Of(seed)], () =>
                {
                    using var model = laboratory.Train(setting, method, seed);
                    return Laboratory.Score(model, laboratory.Images(setting).Test);
                }));
        }
    }

    private static IEnumerable<Method> Variants(Method full)
    {
        yield return full;
        if (full.Minimises.Rho == 0)
            yield break;
        yield return full with { Name = $"{full.Name} late 0.25", Minimises = full.Minimises with { LatePhase = 0.25 } };
        yield return full with { Name = $"{full.Name} share 0.25", Minimises = full.Minimises with { AscentShare = 0.25 } };
        yield return full with { Name = $"{full.Name} period 5", Minimises = full.Minimises with { Period = 5 } };
        yield return full with
        {
            Name = $"{full.Name} late 0.25 share 0.25", Minimises = full.Minimises with { LatePhase = 0.25, AscentShare = 0.25 },
        };
    }
}
