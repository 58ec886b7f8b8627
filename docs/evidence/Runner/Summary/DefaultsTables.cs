using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Summary;

/// <summary>What one ρ or γ for everything costs, against the one that suits each setting: for the defaults.</summary>
internal static class DefaultsTables
{
    private const string Gamma1 = "CSAM 1";

    /// <summary>How much higher the validation log loss is with each ρ than with the best ρ of that method and setting.</summary>
    public static string Radius(IReadOnlyCollection<ResultRow> tuning)
    {
        string[] settings = [.. tuning.Select(row => row["setting"]).Distinct()];
        var least = tuning.GroupBy(row => (row["setting"], row["method"]))
            .ToDictionary(group => group.Key, group => group.Min(row => row.Number("validation_log_loss")));
        return Tables.Table(
            ["Above the best ρ", "ρ", .. settings, "Mean"],
            from method in Tables.ByMethod(tuning)
            from way in method.GroupBy(row => row["rho"])
            let regrets = settings.Select(setting => way.SingleOrDefault(row => row["setting"] == setting) is ResultRow row
                ? row.Number("validation_log_loss") - least[(setting, method.Key)] : (double?)null).ToArray()
            select (string[])
            [
                method.Key, way.Key, .. regrets.Select(regret => regret is double value ? $"{value:F3}" : "–"),
                regrets.All(regret => regret is not null) ? $"{regrets.Average():F3}" : "–",
            ]);
    }

    /// <summary>The other γ less γ = 1, with the same seed, setting by setting.</summary>
    public static string Gamma(IReadOnlyCollection<ResultRow> calibration)
    {
        Measure[] measures = [Measure.LogLoss, Measure.Ece];
        ResultRow[] reference = [.. calibration.Where(row => row["method"] == Gamma1)];
        string[] settings = [.. calibration.Where(row => row["method"] == "CSAM 2").Select(row => row["setting"]).Distinct()];
        return Tables.Table(
            ["Difference from γ = 1", .. settings.SelectMany(setting => measures.Select(measure => $"{setting}: {measure.Title}"))],
            from method in Tables.ByMethod(calibration)
            where method.Key is "CSAM 0.5" or "CSAM 2"
            select (string[])
            [
                method.Key.Replace("CSAM", "γ =", StringComparison.Ordinal),
                .. from setting in settings
                   from measure in measures
                   select method.Where(row => row["setting"] == setting).Less(reference, measure, "setting", "seed").Text(measure),
            ]);
    }
}
