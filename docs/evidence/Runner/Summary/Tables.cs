using System.Globalization;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Summary;

/// <summary>Results as Markdown tables.</summary>
internal static class Tables
{
    private static readonly string[] CalibratorsValues = ["none", "temperature", "vector", "structured matrix", "Dirichlet", "isotonic"];

    /// <summary>The order in which methods are shown; others follow in the order of their names.</summary>
    private static readonly string[] Order =
        ["base", "base + label smoothing 0.05", "base + focal loss 2", "SAM", "SSAM", "CSAM 0.5", "CSAM 1", "CSAM 2", "CSAM auto 5"];

    /// <summary>Rows by method, in the order of the tables.</summary>
    public static IEnumerable<IGrouping<string, ResultRow>> ByMethod(IEnumerable<ResultRow> rows) => rows
        .GroupBy(row => row["method"])
        .OrderBy(group => Array.IndexOf(Order, group.Key) is >= 0 and int place ? place : Order.Length)
            .ThenBy(group => group.Key, StringComparer.Ordinal);

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
        ResultRow[] reference = [.. rows.Where(row => row["method"] == from)];
        return Table(
            [$"Difference from {from}", .. measures.Select(measure => measure.Title)],
            ByMethod(rows).Where(group => group.Key != from).Select(group => (string[])
            [
                group.Key, .. measures.Select(measure => group.Less(reference, measure, "seed").Text(measure)),
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
                .. columns.Select(column => group.Where(row => row[across] == column).ToArray() is { Length: > 0 } cell
                    ? Values(cell, measure).Text(measure.Factor, measure.Decimals) : "–"),
            ]));
    }

    /// <summary>
    /// Accuracy of SAM and SSAM over parts of the grid of learning rate × ρ, and the difference of pairs over the seeds that have the
    /// whole grid.
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
                (Sam: Values(seed.Where(row => row["method"] == "SAM"), accuracy).Mean,
                    Ssam: Values(seed.Where(row => row["method"] == "SSAM"), accuracy).Mean)).ToArray()
            select (string[])
            [
                climb.Key, regime.Name,
                (accuracy.Factor * bySeed.Average(seed => seed.Sam)).ToString("F1"), (accuracy.Factor * bySeed.Average(seed => seed.Ssam))
                    .ToString("F1"),
                Estimate.Of([.. bySeed.Select(seed => seed.Ssam - seed.Sam)]).Difference(accuracy.Factor, accuracy.Decimals),
            ]);
    }

    private static IEnumerable<ResultRow> WholeSeeds(IEnumerable<ResultRow> rows)
    {
        IGrouping<string, ResultRow>[] seeds = [.. rows.GroupBy(row => row["seed"])];
        return seeds.Where(seed => seed.Count() == seeds.Max(other => other.Count())).SelectMany(seed => seed);
    }

    /// <summary>What a temperature fitted on few rows does to the log loss, by rule: the mean change over the models that are nearly
    /// calibrated, the share of fits of any model that make it worse by more than 0.01, and what is gained of what the best temperature
    /// would gain where that is much.</summary>
    public static string Temperatures(IEnumerable<ResultRow> rows)
    {
        ILookup<(double Rows, string Prior, string CrossFit), ResultRow> groups =
            rows.ToLookup(row => (row.Number("rows"), row["prior"], row["cross_fit"]));
        double[] sizes = [.. groups.Select(group => group.Key.Rows).Distinct().Order()];
        return Table(
            ["Weight of the prior", "Cross-fit", .. sizes.Select(size => $"{size:F0} rows")],
            groups.Select(group => (group.Key.Prior, group.Key.CrossFit)).Distinct()
                .OrderBy(rule => double.Parse(rule.CrossFit, CultureInfo.InvariantCulture))
                    .ThenBy(rule => double.Parse(rule.Prior, CultureInfo.InvariantCulture))
                .Select(rule => (string[])
                [
                    rule.Prior == "0" ? "none" : rule.Prior,
                    double.Parse(rule.CrossFit, CultureInfo.InvariantCulture) is var deviations && double.IsInfinity(deviations) ? "no"
                        : $"{deviations} s.e.",
                    .. sizes.Select(size => Cell([.. groups[(size, rule.Prior, rule.CrossFit)]])),
                ]));

        static string Cell(IReadOnlyList<ResultRow> rows)
        {
            if (rows.Count == 0)
                return "–";
            ResultRow[] near = [.. rows.Where(row => Gain(row) < 0.01)], far = [.. rows.Where(row => Gain(row) >= 0.05)];
            double change = near.Length == 0 ? 0 : near.Average(Change), harmed = rows.Average(row => row.Number("harmed"));
            double share = far.Length == 0 ? 0 : far.Average(row => -Change(row) / Gain(row));
            return $"{Math.Round(change, 3):+0.000;−0.000;0.000} · {100 * harmed:F0} % · {100 * share:F0} %";
        }

        static double Gain(ResultRow row) => row.Number("log_loss") - row.Number("best_log_loss");

        static double Change(ResultRow row) => row.Number("fitted_log_loss") - row.Number("log_loss");
    }

    /// <summary>Log loss and ECE of each calibrator by model and number of rows, and the difference of the log loss to the
    /// temperature's, with an interval over trainings.</summary>
    public static string Calibrators(IEnumerable<ResultRow> rows)
    {
        string[] names = [.. rows.Select(row => row["calibrator"]).Distinct().OrderBy(name => Array.IndexOf(CalibratorsValues, name))];
        return Table(
            ["Model", "Rows", .. names],
            rows.GroupBy(row => (Model: row["model"], Rows: row.Number("rows"))).OrderBy(group => group.Key).Select(group =>
            {
                ResultRow[] temperature = [.. group.Where(row => row["calibrator"] == "temperature")];
                return (string[])
                [
                    group.Key.Model, $"{group.Key.Rows:F0}",
                    .. names.Select(name =>
                    {
                        ResultRow[] fits = [.. group.Where(row => row["calibrator"] == name)];
                        string values = $"{fits.Average(row => row.Number("log_loss")):F3} · " +
                            $"{100 * fits.Average(row => row.Number("ece")):F1}";
                        return name == "temperature" ? values
                            : $"{values} · {OverTrainings(fits, temperature).Text(Measure.LogLoss)}";
                    }),
                ];
            }));

        // Draws of rows share a training and the rows to judge on, so they are not independent.
        static IEnumerable<double> OverTrainings(IEnumerable<ResultRow> fits, ResultRow[] others) =>
            from training in fits.GroupBy(row => row["seed"])
            let draws = training.Less(others, Measure.LogLoss, "seed", "draw").ToArray()
            where draws.Length > 0
            select draws.Average();
    }

    /// <summary>How much of a full method's gain over the base optimiser its cheaper kinds keep.</summary>
    public static string Kept(IReadOnlyCollection<ResultRow> rows)
    {
        string[] families = ["SAM", "SSAM", "CSAM 1"];
        Measure[] measures = [Measure.LogLoss, Measure.Ece, Measure.ScaledLogLoss, Measure.Accuracy];
        Dictionary<(string Method, string Seed), ResultRow> found = rows.ToDictionary(row => (row["method"], row["seed"]));
        return Table(
            ["Kept of the gain", "Seeds", .. measures.Select(measure => measure.Title.TrimEnd(' ', '%'))],
            from family in families
            from kind in rows.Select(row => row["method"]).Distinct()
            where kind.StartsWith(family + " ", StringComparison.Ordinal)
            let seeds = rows.Where(row => row["method"] == kind).Select(row => row["seed"])
                .Where(seed => found.ContainsKey((family, seed)) && found.ContainsKey(("base", seed))).ToArray()
            where seeds.Length > 0
            select (string[])
            [
                kind, $"{seeds.Length}",
                .. measures.Select(measure => Share.Of([.. seeds.Select(seed => (Gain(kind, seed, measure), Gain(family, seed, measure)))])
                    .Text),
            ]);

        double Gain(string method, string seed, Measure measure) =>
            found[("base", seed)].Number(measure.Column) - found[(method, seed)].Number(measure.Column);
    }

    /// <summary>Averages of weights: means, and the differences to the last weights of the same training.</summary>
    public static string Averages(IReadOnlyCollection<ResultRow> rows)
    {
        Measure[] measures = [Measure.Accuracy, Measure.LogLoss, Measure.Ece];
        ResultRow[] last = [.. rows.Where(row => row["weights"] == "last")];
        return Table(
            ["Method", "Weights", "Seeds", .. measures.Select(measure => measure.Title),
                .. measures.Select(measure => $"{measure.Title}: difference from the last")],
            from method in ByMethod(rows)
            from kind in method.GroupBy(row => row["weights"]).OrderBy(kind => kind.Key == "last" ? 0 : 1)
            select (string[])
            [
                method.Key, kind.Key, $"{kind.Count()}",
                .. measures.Select(measure => Values(kind, measure).Text(measure.Factor, measure.Decimals)),
                .. measures.Select(measure => kind.Key == "last" ? "" : kind.Less(last, measure, "method", "seed").Text(measure)),
            ]);
    }

    public static Estimate Values(IEnumerable<ResultRow> rows, Measure measure) =>
        Estimate.Of([.. rows.Select(row => row.Number(measure.Column))]);

    public static string Table(IReadOnlyList<string> header, IEnumerable<IReadOnlyList<string>> rows) => string.Join('\n',
    [
        $"| {string.Join(" | ", header)} |",
        $"|{string.Concat(Enumerable.Repeat(" --- |", header.Count))}",
        .. rows.Select(row => $"| {string.Join(" | ", row)} |"),
    ]);
}
