using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Summary;

/// <summary>Which method for the whole network, as tables: a row for each method, a column for each set and number of pictures a
/// class.</summary>
internal static class FineTuningMethodsTables
{
    private static readonly (string Title, Measure Measure)[] Shown =
    [
        ("Accuracy %", Measure.Accuracy), ("ECE % before the temperature", Measure.Ece with { Decimals = 1 }),
        ("Log loss before the temperature", Measure.LogLoss), ("Log loss with the temperature", Measure.ScaledLogLoss),
    ];

    /// <summary>Means over seeds.</summary>
    public static string Means(IReadOnlyCollection<ResultRow> rows)
    {
        (string Set, string Size)[] cells = Cells(rows);
        return string.Join("\n\n", Shown.Select(shown => Tables.Table(
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
        Func<ResultRow, Measure, double> difference = DifferenceFrom(rows, other);
        return string.Join("\n\n", Shown[2..].Select(shown => Tables.Table(
            [$"{shown.Title}, difference from {other}", .. cells.Select(Title)],
            from method in Tables.ByMethod(rows)
            where method.Key != other
            select (string[])
            [
                method.Key,
                .. cells.Select(cell => Text(method.Where(row => In(row, cell)).Select(row => difference(row, shown.Measure)))),
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
               let difference = DifferenceFrom(rows, other)
               from shown in Shown[2..]
               select other == method.Key ? "" : Text(method.GroupBy(row => row["seed"])
                   .Select(seed => seed.Average(row => difference(row, shown.Measure)))),
        ]));

    private static Func<ResultRow, Measure, double> DifferenceFrom(IReadOnlyCollection<ResultRow> rows, string other)
    {
        Dictionary<(string, string, string), ResultRow> reference = rows.Where(row => row["method"] == other)
            .ToDictionary(row => (row["setting"], row["pictures"], row["seed"]));
        return (row, measure) =>
            row.Number(measure.Column) - reference[(row["setting"], row["pictures"], row["seed"])].Number(measure.Column);
    }

    private static string Text(IEnumerable<double> differences) => Estimate.Of([.. differences]).Difference(1, 3);

    private static (string Set, string Size)[] Cells(IReadOnlyCollection<ResultRow> rows) =>
    [
        .. from set in rows.Select(row => row["setting"]).Distinct()
           from size in rows.Select(row => row["pictures"]).Distinct().OrderBy(int.Parse)
           select (set, size),
    ];

    private static string Title((string Set, string Size) cell) => $"{cell.Set.Replace("-pictures", "", StringComparison.Ordinal)}, {cell.Size}";

    private static bool In(ResultRow row, (string Set, string Size) cell) => row["setting"] == cell.Set && row["pictures"] == cell.Size;
}
