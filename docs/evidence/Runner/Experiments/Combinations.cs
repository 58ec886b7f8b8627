using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>What no paper has: CSAM's loss with SSAM's rescaling or ASAM's climb. (A γ chosen while training was tried, and is
/// gone.)</summary>
internal sealed class Combinations : Experiment
{
    // ASAM measures its radius in scaled weights, in which ten times SAM's is usual (Kwon et al. 2021).
    private const double AdaptiveFactor = 10;

    public override string Name => "combinations";

    public override IReadOnlyList<Setting> DefaultSettings => [Setting.Fashion5000];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(Name, ["setting", "method", "rho", "seed"], Scores.Columns);
        foreach (Setting setting in settings)
        {
            Radii radii = Tuning.ChooseRadii(laboratory, setting);
            laboratory.Do(file, Name,
                from seed in Enumerable.Range(1, laboratory.Seeds)
                from method in Methods(radii.Csam)
                select new Run([setting.Name, method.Name, Text.Of(method.Minimises.Rho), Text.Of(seed)], () =>
                {
                    using var model = laboratory.Train(setting, method, seed);
                    return Laboratory.Score(model, laboratory.Images(setting).Test);
                }));
        }
    }

    private static Method[] Methods(double rho)
    {
        Method csam = Method.Csam(rho, 1), adaptive = Method.Csam(AdaptiveFactor * rho, 1);
        return
        [
            csam with { Name = "SSAM + CSAM 1", Minimises = csam.Minimises with { Renormalize = true } },
            adaptive with { Name = "ASAM + CSAM 1", Minimises = adaptive.Minimises with { Adaptive = true } },
        ];
    }
}
