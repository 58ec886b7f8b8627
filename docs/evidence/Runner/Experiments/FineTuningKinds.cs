using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>
/// What to train of a network that has learnt already: the head, all of it gently, all of it fully, or what Auto finds out, which comes
/// last since its time is by the clock. <see cref="FineTuningDefaults"/> has the neighbours of the defaults.
/// </summary>
internal sealed class FineTuningKinds : Experiment
{
    private static readonly int[] Sizes = [20, 50];

    private static readonly FineTuningVariant[] Kinds =
    [
        FineTuningVariant.Head, FineTuningVariant.Gentle(0.01, 1e-3), FineTuningVariant.Full(0.05, 0.02, batch: 16),
        FineTuningVariant.Auto,
    ];

    public override string Name => "fine-tuning";

    public override IReadOnlyList<Setting> DefaultSettings => [Setting.SignPictures, Setting.FashionPictures, Setting.CifarPictures];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(Name, ["setting", "pictures", "method", "rho", "seed"], [.. Scores.Columns, "seconds"]);
        laboratory.Do(file, Name,
            from size in laboratory.IsSmoke ? [6] : Sizes
            from seed in Enumerable.Range(1, laboratory.Seeds)
            from setting in settings
            from variant in Kinds
            select new Run(
                [setting.Name, $"{setting.Name} {Text.Of(size)}", variant.Name, Text.Of(variant.Rho), Text.Of(seed)],
                () =>
                {
                    FineTunedPictures trained = FineTunedPictures.Train(laboratory, setting, size, variant, seed);
                    return [.. trained.Scores, trained.Seconds];
                }));
    }
}
