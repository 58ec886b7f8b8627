using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Summary;

/// <summary>Which method for the whole network, as tables: a row for each method, a column for each set and number of pictures a
/// class.</summary>
internal static class FineTuningMethodsTables
{
    private static readonly string[] Keys = ["setting", "pictures", "seed"];

    private static readonly (string Title, Measure Measure)[] Shown =
    [
        ("Accuracy %", Measure.Accuracy), ("ECE % before the temperature", Measure.Ece with { Decimals = 1 }),
        ("Log loss before the temperature", Measure.LogLoss), ("Log loss with the temperature", Measure.ScaledLogLoss),
    ];

    private static readonly (string Title, Measure Measure)[] Smooth =
    [
        ("Smooth ECE % before the temperature", new("smooth_ece", "", 100, 1)),
        ("Smooth ECE % with the temperature", new("ts_smooth_ece", "", 100, 1)),
    ];

    /// <summary>Means over seeds.</summary>
    public static string Means(IReadOnlyCollection<ResultRow> rows) => Means(rows, Shown);

    /// <summary>The same of smooth calibration errors.</summary>
    public static string SmoothErrors(IReadOnlyCollection<ResultRow> rows) => Means(rows, Smooth);

    private static string Means(IReadOnlyCollection<ResultRow> rows, (string Title, Measure Measure)[] measures)
    {
        (string Set, string Size)[] cells = Cells(rows);
        return string.Join("\n\n", measures.Select(shown => Tables.Table(
            [shown.Title, "ρ", .. cells.Select(Title)],
            from method in Tables.ByMethod(rows)
            select (string[])
            [
                method.Key, string.Join(" / ", method.Select(row => row["rho"]).Distinct()),
                .. cells.Select(cell => Tables.Values(method.Where(row => In(row, cell)), shown.Measure)
                    .Text(shown.Measure.Factor, shown.Measure.Decimals)),
            ])));
    }

    /// <summary>Log loss, each method less another with the same seed, before and with the temperature.</summary>
    public static string Differences(IReadOnlyCollection<ResultRow> rows, string other)
    {
        (string Set, string Size)[] cells = Cells(rows);
        ResultRow[] reference = [.. rows.Where(row => row["method"] == other)];
        return string.Join("\n\n", Shown[2..].Select(shown => Tables.Table(
            [$"{shown.Title}, difference from {other}", .. cells.Select(Title)],
            from method in Tables.ByMethod(rows)
            where method.Key != other
            select (string[])
            [
                method.Key,
                .. cells.Select(cell => method.Where(row => In(row, cell)).Less(reference, shown.Measure, Keys).Text(shown.Measure)),
            ])));
    }

    /// <summary>The same on the mean over all sets and sizes of each seed, so that the intervals are over seeds; one column for each of the
    /// others.</summary>
    public static string Overall(IReadOnlyCollection<ResultRow> rows, params string[] others) => Tables.Table(
        ["Mean over sets and sizes", .. others.SelectMany(other => Shown[2..].Select(shown => $"{shown.Title}, difference from {other}"))],
        Tables.ByMethod(rows).Select(method => (string[])
        [
            method.Key,
            .. from other in others
               from shown in Shown[2..]
               select other == method.Key ? "" : BySeed(rows, method.Key, other, shown.Measure).Values.Text(shown.Measure),
        ]));

    /// <summary>The same of two runs of the experiment, and of each seed's mean of both.</summary>
    public static string Twice(IReadOnlyCollection<ResultRow> first, IReadOnlyCollection<ResultRow> second, string other) => Tables.Table(
        [
            $"Mean over sets and sizes, difference from {other}",
            .. Shown[2..].SelectMany(shown => new[] { "once", "again", "mean of both" }.Select(run => $"{shown.Title}: {run}")),
        ],
        from method in Tables.ByMethod(second)
        where method.Key != other
        select (string[])
        [
            method.Key,
            .. from shown in Shown[2..]
               let once = BySeed(first, method.Key, other, shown.Measure)
               let again = BySeed(second, method.Key, other, shown.Measure)
               let both = again.Keys.Where(once.ContainsKey).Select(seed => (once[seed] + again[seed]) / 2)
               from differences in new[] { once.Values, again.Values, both }
               select differences.Text(shown.Measure),
        ]);

    /// <summary>One method with several radii, as if each were a method; only of sizes that each has been trained with.</summary>
    public static IReadOnlyList<ResultRow> AtEachRadius(
        IReadOnlyCollection<ResultRow> rows, IReadOnlyCollection<ResultRow> more, string method, params string[] radii) =>
    [
        .. from row in rows.Concat(more)
           where row["method"] == method && radii.Contains(row["rho"])
           where more.Any(other => other["pictures"] == row["pictures"])
           select row.With("method", $"ρ = {row["rho"]}"),
    ];

    // What a method has more than another, on the mean over sets and sizes.
    private static Dictionary<string, double> BySeed(
        IReadOnlyCollection<ResultRow> rows, string method, string other, Measure measure)
    {
        ResultRow[] reference = [.. rows.Where(row => row["method"] == other)];
        return rows.Where(row => row["method"] == method).GroupBy(row => row["seed"])
            .ToDictionary(seed => seed.Key, seed => seed.Less(reference, measure, Keys).Average());
    }

    private static (string Set, string Size)[] Cells(IReadOnlyCollection<ResultRow> rows) =>
    [
        .. from set in rows.Select(row => row["setting"]).Distinct()
           from size in rows.Select(row => row["pictures"]).Distinct().OrderBy(int.Parse)
           select (set, size),
    ];

    private static string Title((string Set, string Size) cell) =>
        $"{cell.Set.Replace("-pictures", "", StringComparison.Ordinal)}, {cell.Size}";

    private static bool In(ResultRow row, (string Set, string Size) cell) => row["setting"] == cell.Set && row["pictures"] == cell.Size;
}
