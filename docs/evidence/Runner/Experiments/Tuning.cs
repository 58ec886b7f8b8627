using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>Chooses the radius ρ of SAM, SSAM and CSAM (γ = 1) each: the one with the lowest log loss on the validation images. No test
/// image is looked at.</summary>
internal static class Tuning
{
    // Not one of the seeds that are reported.
    private const int Seed = 100;

    public static Radii ChooseRadii(Laboratory laboratory, Setting setting)
    {
        Setting sized = laboratory.Sized(setting);
        ResultFile file = laboratory.Open("tuning", ["setting", "method", "rho"],
            [.. Scores.Columns.Select(column => "validation_" + column)]);
        Func<double, Method>[] families = [Method.Sam, Method.Ssam, rho => Method.Csam(rho, 1)];
        laboratory.Do(file, "tuning",
            from family in families
            from rho in sized.Radii
            let method = family(rho)
            select new Run([setting.Name, method.Name, Text.Of(rho)], () =>
            {
                using var model = laboratory.Train(setting, method, Seed);
                return Laboratory.Score(model, laboratory.Images(setting).Validation);
            }));
        double[] best =
        [
            .. families.Select(family => file.Rows
                .Where(row => row["setting"] == setting.Name && row["method"] == family(0).Name && sized.Radii.Contains(row.Number("rho")))
                .MinBy(row => row.Number("validation_log_loss"))!.Number("rho")),
        ];
        return new(best[0], best[1], best[2]);
    }
}
