using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Summary;

/// <summary>Results as Markdown tables.</summary>
internal static class Tables
{
    /// <summary>The order in which methods are shown; others follow in the order of their names.</summary>
    private static readonly string[] _order =
        ["base", "base + label smoothing 0.05", "base + focal loss 2", "SAM", "SSAM", "CSAM 0.5", "CSAM 1", "CSAM 2", "CSAM auto 5"];

    /// <summary>Rows by method, in the order of the tables.</summary>
    public static IEnumerable<IGrouping<string, ResultRow>> ByMethod(IEnumerable<ResultRow> rows) => rows
        .GroupBy(row => row["method"])
        .OrderBy(group => Array.IndexOf(_order, group.Key) is >= 0 and int place ? place : _order.Length).ThenBy(group => group.Key, StringComparer.Ordinal);

    /// <summary>Mean ± standard error of each method.</summary>
    public static string Means(IReadOnlyCollection<ResultRow> rows, params Measure[] measures) => Table(
        ["Method", "ρ", "Seeds", .. measures.Select(measure => measure.Title)],
        ByMethod(rows).Select(group => (string[])
        [
            group.Key, string.Join(" / ", group.Select(row => row["rho"]).Distinct()), $"{group.Count()}",
            .. measures.Select(measure => Values(group, measure).Text(measure.Factor, measure.Decimals)),
        ]));

    /// <summary>Each method less another one with the same seed, with 95 % intervals of Student's t.</summary>
    public static string Differences(IReadOnlyCollection<ResultRow> rows, string from, params Measure[] measures)
    {
        Dictionary<string, ResultRow> reference = rows.Where(row => row["method"] == from).ToDictionary(row => row["seed"]);
        return Table(
            [$"Difference from {from}", .. measures.Select(measure => measure.Title)],
            ByMethod(rows).Where(group => group.Key != from).Select(group => (string[])
            [
                group.Key,
                .. measures.Select(measure => Estimate.Of(
                    [
                        .. group.Where(row => reference.ContainsKey(row["seed"]))
                            .Select(row => row.Number(measure.Column) - reference[row["seed"]].Number(measure.Column)),
                    ]).Difference(measure.Factor, measure.Decimals)),
            ]));
    }

    /// <summary>One measure: a row for each method, a column for each value of another key.</summary>
    public static string Cross(IReadOnlyCollection<ResultRow> rows, string across, Measure measure)
    {
        string[] columns = [.. rows.Select(row => row[across]).Distinct()];
        return Table(
            [measure.Title, .. columns],
            ByMethod(rows).Select(group => (string[])
            [
                group.Key,
                .. columns.Select(column => Values(group.Where(row => row[across] == column), measure).Text(measure.Factor, measure.Decimals)),
            ]));
    }

    /// <summary>
    /// Accuracy of SAM and SSAM over parts of the grid of learning rate × ρ, and the difference of pairs over the seeds that have the whole grid.
    /// </summary>
    public static string Regimes(IReadOnlyCollection<ResultRow> rows)
    {
        (string Name, Func<double, bool> Rates, Func<double, bool> Radii)[] regimes =
        [
            ("learning rate ≤ 0.4, ρ ≤ 0.2", rate => rate <= 0.4, rho => rho <= 0.2),
            ("learning rate ≤ 0.4, ρ = 0.4", rate => rate <= 0.4, rho => rho == 0.4),
            ("learning rate ≤ 0.4, ρ = 0.8", rate => rate <= 0.4, rho => rho == 0.8),
            ("learning rate 0.8, ρ ≤ 0.2", rate => rate == 0.8, rho => rho <= 0.2),
            ("learning rate 0.8, ρ = 0.4", rate => rate == 0.8, rho => rho == 0.4),
            ("learning rate 0.8, ρ = 0.8", rate => rate == 0.8, rho => rho == 0.8),
        ];
        Measure accuracy = Measure.Accuracy;
        return Table(
            ["Climb", "Regime", "SAM: accuracy %", "SSAM: accuracy %", "SSAM − SAM"],
            from climb in WholeSeeds(rows).GroupBy(row => row["climb"])
            from regime in regimes
            let cells = climb.Where(row => regime.Rates(row.Number("learning_rate")) && regime.Radii(row.Number("rho"))).ToArray()
            where cells.Length > 0
            let bySeed = cells.GroupBy(row => row["seed"]).Select(seed =>
                (Sam: Values(seed.Where(row => row["method"] == "SAM"), accuracy).Mean, Ssam: Values(seed.Where(row => row["method"] == "SSAM"), accuracy).Mean)).ToArray()
            select (string[])
            [
                climb.Key, regime.Name,
                (accuracy.Factor * bySeed.Average(seed => seed.Sam)).ToString("F1"), (accuracy.Factor * bySeed.Average(seed => seed.Ssam)).ToString("F1"),
                Estimate.Of([.. bySeed.Select(seed => seed.Ssam - seed.Sam)]).Difference(accuracy.Factor, accuracy.Decimals),
            ]);
    }

    private static IEnumerable<ResultRow> WholeSeeds(IEnumerable<ResultRow> rows)
    {
        IGrouping<string, ResultRow>[] seeds = [.. rows.GroupBy(row => row["seed"])];
        return seeds.Where(seed => seed.Count() == seeds.Max(other => other.Count())).SelectMany(seed => seed);
    }

    /// <summary>By setting and number of validation images, over all methods and seeds: mean log loss (worst in brackets) and ECE.</summary>
    public static string Temperatures(IEnumerable<ResultRow> rows) => Table(
        [
            "Setting", "Validation images", "Log loss at T = 1", "at T of the log loss alone (worst)", "at T as here (worst)",
            "ECE % at T = 1", "at T of the log loss alone", "at T as here",
        ],
        rows.GroupBy(row => (Setting: row["setting"], Images: row.Number("images"))).OrderBy(group => group.Key).Select(group =>
        {
            string Mean(string column, string format, double factor = 1) => (factor * group.Average(row => row.Number(column))).ToString(format);
            string Loss(string fit) => $"{Mean(fit + "_log_loss", "F3")} ({group.Max(row => row.Number(fit + "_worst_log_loss")):F2})";
            return (string[])
            [
                group.Key.Setting, $"{group.Key.Images}", Mean("log_loss", "F3"), Loss("alone"), Loss("smoothed"),
                Mean("ece", "F2", 100), Mean("alone_ece", "F2", 100), Mean("smoothed_ece", "F2", 100),
            ];
        }));

    public static Estimate Values(IEnumerable<ResultRow> rows, Measure measure) => Estimate.Of([.. rows.Select(row => row.Number(measure.Column))]);

    public static string Table(IReadOnlyList<string> header, IEnumerable<IReadOnlyList<string>> rows) => string.Join('\n',
    [
        $"| {string.Join(" | ", header)} |",
        $"|{string.Concat(Enumerable.Repeat(" --- |", header.Count))}",
        .. rows.Select(row => $"| {string.Join(" | ", row)} |"),
    ]);
}
