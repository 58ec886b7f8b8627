using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>Chooses the radius ρ of a setting: the one with which SAM has the lowest log loss on the validation images. No test image is looked at.</summary>
internal static class Tuning
{
    // Not one of the seeds that are reported.
    private const int Seed = 100;

    public static double ChooseRadius(Laboratory laboratory, Setting setting)
    {
        Setting sized = laboratory.Sized(setting);
        ResultFile file = laboratory.Open("tuning", ["setting", "rho"], [.. Scores.Columns.Select(column => "validation_" + column)]);
        laboratory.Do(file, "tuning", sized.Radii.Select(rho => new Run([setting.Name, Text.Of(rho)], () =>
        {
            using var model = laboratory.Train(setting, Method.Sam(rho), Seed);
            return Laboratory.Score(model, laboratory.Images(setting).Validation);
        })));
        return file.Rows.Where(row => row["setting"] == setting.Name && sized.Radii.Contains(row.Number("rho")))
            .MinBy(row => row.Number("validation_log_loss"))!.Number("rho");
    }
}
