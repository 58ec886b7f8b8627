using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>
/// Which method for the whole network after the head: no climb, SAM, SSAM, ASAM, CSAM with three γ, a climb every fifth step, and label
/// smoothing; each with the radius that validation images choose.
/// </summary>
/// <remarks>The radius is chosen by the log loss of the fifth that the trainer sets aside, with a seed of its own and the fewest pictures;
/// no test picture is looked at. On one core at 128×128 a training of 10 a class takes a minute or two, of 50 five to ten, of 200 half an
/// hour.</remarks>
internal sealed class FineTuningMethods : Experiment
{
    // Not one of the seeds that are reported.
    private const int TuningSeed = 100;

    private static readonly int[] Sizes = [10, 50, 200];

    private static readonly double[] Radii = [0.005, 0.01, 0.02];

    // An adaptive radius is measured in shares of the weights, and so is about ten times as large (Kwon et al. 2021).
    private const double AdaptiveScale = 10;

    // The trainer's own, once with its own radius and once with twice that, whichever of them was chosen.
    private const string Default = "CSAM 1";

    private static readonly (string Name, Func<double, SharpnessAwareMethod> Of, double Scale)[] Climbing =
    [
        ("SAM", SharpnessAwareMethod.Sam, 1), ("SSAM", SharpnessAwareMethod.Ssam, 1),
        ("ASAM", rho => SharpnessAwareMethod.Asam(rho), AdaptiveScale),
        ("CSAM 0.5", rho => SharpnessAwareMethod.Csam(rho, 0.5), 1), (Default, rho => SharpnessAwareMethod.Csam(rho, 1), 1),
        ("CSAM 2", rho => SharpnessAwareMethod.Csam(rho, 2), 1),
        ("CSAM 1 period 5", rho => SharpnessAwareMethod.Csam(rho, 1) with { Period = 5 }, 1),
    ];

    public override string Name => "fine-tuning-methods";

    public override IReadOnlyList<Setting> DefaultSettings => [Setting.SignPictures, Setting.CifarPictures, Setting.FashionPictures];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile tuning = laboratory.Open(Name + "-tuning", ["setting", "method", "rho"], ["validation_log_loss"]);
        string[] keys = ["setting", "pictures", "method", "rho", "seed"];
        ResultFile file = laboratory.Open(Name, keys, [.. Scores.Columns, "seconds"]);
        ResultFile smooth = laboratory.Open(Name + "-smooth", keys, ["smooth_ece", "ts_smooth_ece"]);
        int[] sizes = laboratory.IsSmoke ? [6] : Sizes;
        laboratory.Do(tuning, Name,
            from setting in settings
            from method in Climbing
            from rho in Radii
            select new Run([setting.Name, method.Name, Text.Of(rho * method.Scale)], () =>
                [FineTunedPictures.Train(laboratory, setting, sizes[0], Variant(method.Name, method.Of(rho * method.Scale)), TuningSeed)
                    .History[^1].ValidationRefinement]));
        if (settings.FirstOrDefault(setting => tuning.Rows.Count(row => row["setting"] == setting.Name) < Climbing.Length * Radii.Length)
            is { } open)
        {
            Console.WriteLine($"{Name} goes on when the rows of {open.Name} in {Name}-tuning.csv of the other parts are in this one's.");
            return;
        }

        Dictionary<Setting, FineTuningVariant[]> variants = settings.ToDictionary(setting => setting, setting => (FineTuningVariant[])
        [
            FineTuningVariant.Head, Variant(Method.Base.Name, SharpnessAwareMethod.Standard),
            LabelSmoothing, .. Climbing.Select(method => Variant(method.Name, method.Of(Chosen(tuning, setting, method.Name)))),
        ]);
        laboratory.Do(file, Name, Runs((key, trained) =>
        {
            smooth.Add(key, trained.SmoothErrors);
            return [.. trained.Scores, trained.Seconds];
        }));
        // Trainings that were made before it was measured, once more.
        laboratory.Do(smooth, Name + "-smooth", Runs((_, trained) => trained.SmoothErrors));
        laboratory.Do(laboratory.Open(Name + "-radius", keys, [.. Scores.Columns, "seconds"]), Name + "-radius",
            from size in sizes
            from seed in Enumerable.Range(1, laboratory.Seeds)
            from setting in settings
            from rho in Radii[1..]
            let variant = Variant(Default, SharpnessAwareMethod.Csam(rho, 1))
            let key = (string[])[setting.Name, Text.Of(size), variant.Name, Text.Of(rho), Text.Of(seed)]
            where !file.Contains(key)
            select new Run(key, () =>
            {
                FineTunedPictures trained = FineTunedPictures.Train(laboratory, setting, size, variant, seed);
                return [.. trained.Scores, trained.Seconds];
            }));

        IEnumerable<Run> Runs(Func<string[], FineTunedPictures, double[]> measure) =>
            from size in sizes
            from seed in Enumerable.Range(1, laboratory.Seeds)
            from setting in settings
            from variant in variants[setting]
            let key = (string[])[setting.Name, Text.Of(size), variant.Name, Text.Of(variant.Rho), Text.Of(seed)]
            select new Run(key, () => measure(key, FineTunedPictures.Train(laboratory, setting, size, variant, seed)));
    }

    private static FineTuningVariant LabelSmoothing
    {
        get
        {
            FineTuningVariant plain = Variant(Method.LabelSmoothing.Name, SharpnessAwareMethod.Standard);
            return plain with
            {
                Apply = options =>
                {
                    plain.Apply(options);
                    options.Loss = Method.LabelSmoothing.Loss;
                },
            };
        }
    }

    private static FineTuningVariant Variant(string name, SharpnessAwareMethod method) => FineTuningVariant.Gentle(method, name);

    private static double Chosen(ResultFile tuning, Setting setting, string method) => tuning.Rows
        .Where(row => row["setting"] == setting.Name && row["method"] == method)
        .MinBy(row => row.Number("validation_log_loss"))!.Number("rho");
}
