using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>
/// How much of a method's gain stays where it climbs less: in the last quarter of the training only, along the gradient of a quarter of the
/// mini-batch, in every fifth step, or in the last quarter along that of a quarter.
/// </summary>
/// <remarks>From scratch with the radius that the validation images choose. A pretrained network is trained on ten pictures a class after
/// its head, as <see cref="FineTuning.Gentle"/> does it, with that one's radius, at 96×96.</remarks>
internal sealed class Cheaper : Experiment
{
    private const double RhoOfGentle = 0.01;
    private const int PicturesOfAClass = 10;

    public override string Name => "cheaper";

    public override IReadOnlyList<Setting> DefaultSettings => [Setting.FashionSmall, Setting.FashionSmallest, Setting.SignPictures];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(Name, ["setting", "method", "rho", "seed"], Scores.Columns);
        foreach (Setting setting in settings)
        {
            bool isFineTuning = setting.Architecture == NetworkArchitecture.MLNetResNet18;
            Radii radii = isFineTuning ? new Radii(RhoOfGentle, RhoOfGentle, RhoOfGentle) : Tuning.ChooseRadii(laboratory, setting);
            laboratory.Do(file, Name,
                from seed in Enumerable.Range(1, laboratory.Seeds)
                from method in Method.Four(radii).SelectMany(Variants)
                select new Run([setting.Name, method.Name, Text.Of(method.Minimises.Rho), Text.Of(seed)],
                    () => isFineTuning ? FineTuned(laboratory, setting, method, seed) : FromScratch(laboratory, setting, method, seed)));
        }
    }

    private static double[] FromScratch(Laboratory laboratory, Setting setting, Method method, int seed)
    {
        using SharpnessAwareImageClassificationTransformer model = laboratory.Train(setting, method, seed);
        return Laboratory.Score(model, laboratory.Images(setting).Test);
    }

    private static double[] FineTuned(Laboratory laboratory, Setting setting, Method method, int seed) =>
        FineTunedPictures.Train(laboratory, setting, PicturesOfAClass, FineTuningVariant.Gentle(method.Minimises, method.Name), seed,
            FineTuningDefaults.Side).Scores;

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
