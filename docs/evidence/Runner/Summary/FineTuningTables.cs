using MLSharpness.Evidence.Experiments;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Summary;

/// <summary>What fine-tuning gave, as tables: one row a way or a model, one column a set of pictures or a calibrator.</summary>
internal static class FineTuningTables
{
    private const string Default = "gentle at 0.001", DefaultRho = "0.01";

    /// <summary>Accuracy and log loss of each way on each set, and on how many seeds they rest.</summary>
    public static string Ways(IReadOnlyCollection<ResultRow> rows)
    {
        string[] sets = Sets(rows);
        return Tables.Table(
            ["Way", "ρ", .. sets.Select(set => $"{set}: accuracy %"), .. sets.Select(set => $"{set}: log loss"), "Seeds"],
            ByWay(rows).Select(way => (string[])
            [
                way.Key.Method, way.Key.Rho, .. sets.Select(set => Cell(way, set, Measure.Accuracy)),
                .. sets.Select(set => Cell(way, set, Measure.ScaledLogLoss)),
                string.Join(" / ", sets.Select(set => way.Count(row => row["pictures"] == set))),
            ]));
    }

    /// <summary>Each way's log loss less that of the default with the same seed, with 95 % intervals where there are several.</summary>
    public static string AgainstDefault(IReadOnlyCollection<ResultRow> rows)
    {
        string[] sets = Sets(rows);
        ResultRow[] reference = [.. rows.Where(row => row["method"] == Default && row["rho"] == DefaultRho)];
        return Tables.Table(
            [$"Log loss, difference from {Default}, ρ = {DefaultRho}", .. sets],
            ByWay(rows).Where(way => way.Key != (Default, DefaultRho)).Select(way => (string[])
            [
                $"{way.Key.Method}, ρ = {way.Key.Rho}",
                .. sets.Select(set => way.Where(row => row["pictures"] == set)
                    .Less(reference, Measure.ScaledLogLoss, "pictures", "seed").Text(Measure.ScaledLogLoss)),
            ]));
    }

    /// <summary>Accuracy, log loss and ECE of one training and of what a second one makes of it, each set in columns of its own.</summary>
    public static string Soups(IReadOnlyCollection<ResultRow> rows)
    {
        string[] sets = [.. rows.Select(row => row["setting"]).Distinct()];
        Measure[] measures = [Measure.Accuracy, Measure.ScaledLogLoss, Measure.Tce];
        return Tables.Table(
            ["Model", .. sets.SelectMany(set => measures.Select(measure => $"{set}: {measure.Title}")), "Seeds"],
            from model in ModelSoups.Models
            let cells = rows.Where(row => row["model"] == model).ToArray()
            where cells.Length > 0
            select (string[])
            [
                model,
                .. from set in sets
                   from measure in measures
                   select Mean(cells.Where(row => row["setting"] == set), measure),
                string.Join(" / ", sets.Select(set => cells.Count(row => row["setting"] == set))),
            ]);
    }

    /// <summary>Each model as it is and after each calibrator: ECE and log loss; accuracy as it is.</summary>
    public static string Rivals(IReadOnlyCollection<ResultRow> rows)
    {
        string[] calibrators = [.. Calibrators.All.Select(calibrator => calibrator.Name)];
        return Tables.Table(
            ["Pictures", "a class", "Model", "Accuracy %", .. calibrators.Select(name => $"{name}: ECE % · log loss")],
            from set in rows.Select(row => row["setting"]).Distinct()
            from size in Sizes(rows, set)
            from model in HeadModels.All.Select(model => model.Name)
            let cells = rows.Where(row => row["setting"] == set && row["pictures"] == size && row["method"] == model).ToArray()
            where cells.Length > 0
            select (string[])
            [
                set, size, model, Mean(cells.Where(row => row["calibrator"] == "none"), Measure.Accuracy),
                .. calibrators.Select(name => cells.Where(row => row["calibrator"] == name).ToArray())
                    .Select(of => $"{Mean(of, Measure.Ece with { Decimals = 1 })} · {Mean(of, Measure.LogLoss)}"),
            ]);
    }

    /// <summary>This library's head with its temperature less each other model as it is and with a temperature, over seeds.</summary>
    public static string AgainstRivals(IReadOnlyCollection<ResultRow> rows)
    {
        Measure[] measures = [Measure.Accuracy, Measure.Ece with { Decimals = 1 }, Measure.LogLoss];
        return Tables.Table(
            ["Pictures", "a class", "The head, less", .. measures.Select(measure => measure.Title)],
            from set in rows.Select(row => row["setting"]).Distinct()
            from size in Sizes(rows, set)
            let head = Of(set, size, HeadModels.Head, "temperature").ToArray()
            from model in HeadModels.All.Select(model => model.Name)
            where model != HeadModels.Head
            from calibrator in new[] { "none", "temperature" }
            let others = Of(set, size, model, calibrator).ToArray()
            where others.Length > 0
            select (string[])
            [
                set, size, $"{model}{(calibrator == "none" ? "" : ", temperature")}",
                .. measures.Select(measure => head.Less(others, measure, "seed").Text(measure)),
            ]);

        IEnumerable<ResultRow> Of(string set, string size, string model, string calibrator) => rows.Where(row => row["setting"] == set
            && row["pictures"] == size && row["method"] == model && row["calibrator"] == calibrator);
    }

    /// <summary>Images unlike those of the training: the area under the ROC curve, and the coverage of sets that promise 90 %; then what
    /// each method has more than the base optimiser, or than this library's head, in pairs of the same seed.</summary>
    public static string OutOfDistribution(IReadOnlyCollection<ResultRow> rows)
    {
        (string Title, Func<ResultRow, bool> Of)[] groups =
        [
            ("clean", row => row["test"] == "none"),
            .. rows.Where(IsCorrupted).Select(row => row["strength"]).Distinct().Order()
                .Select(strength => ($"corrupted {strength}", (Func<ResultRow, bool>)(row =>
                    IsCorrupted(row) && row["strength"] == strength))),
            ("other images", row => row["test"] == "other images"),
        ];
        (string Title, Func<ResultRow, bool> Of, Measure Measure)[] columns =
        [
            .. groups[1..].Select(group => ($"AUROC %: {group.Title}", group.Of, new Measure("auroc", "", 100, 1))),
            .. groups[..^1].Select(group => ($"coverage %: {group.Title}", group.Of, new Measure("coverage", "", 100, 1))),
            .. groups[..^1].Select(group => ($"set size: {group.Title}", group.Of, new Measure("set_size", "", 1, 2))),
        ];
        IGrouping<string, ResultRow>[] methods =
            [.. Tables.ByMethod(rows).OrderBy(method => method.Key == Method.Base.Name || method.Key == HeadModels.Head ? 0 : 1)];
        return Tables.Table(["Method", "Seeds", .. columns.Select(column => column.Title)], methods.Select(method => (string[])
            [
                method.Key, $"{method.Select(row => row["seed"]).Distinct().Count()}",
                .. columns.Select(column =>
                    Estimate.Of([.. BySeed(method, column).Values]).Text(column.Measure.Factor, column.Measure.Decimals)),
            ])) + "\n\n" + Tables.Table(
            [$"Difference from {methods[0].Key}", .. columns.Select(column => column.Title)],
            methods[1..].Select(method => (string[])
            [
                method.Key,
                .. columns.Select(column =>
                {
                    Dictionary<string, double> of = BySeed(method, column), from = BySeed(methods[0], column);
                    return Estimate.Of([.. of.Keys.Where(from.ContainsKey).Select(seed => of[seed] - from[seed])])
                        .Difference(column.Measure.Factor, column.Measure.Decimals);
                }),
            ]));

        static bool IsCorrupted(ResultRow row) => row["test"] is not ("none" or "other images");

        static Dictionary<string, double> BySeed(
            IEnumerable<ResultRow> method, (string Title, Func<ResultRow, bool> Of, Measure Measure) column) =>
            method.Where(column.Of).GroupBy(row => row["seed"])
                .ToDictionary(seed => seed.Key, seed => seed.Average(row => row.Number(column.Measure.Column)));
    }

    private static string[] Sets(IEnumerable<ResultRow> rows) => [.. rows.Select(row => row["pictures"]).Distinct()];

    private static IEnumerable<string> Sizes(IEnumerable<ResultRow> rows, string set) =>
        rows.Where(row => row["setting"] == set).Select(row => row["pictures"]).Distinct().OrderBy(int.Parse);

    private static IEnumerable<IGrouping<(string Method, string Rho), ResultRow>> ByWay(IEnumerable<ResultRow> rows) => rows
        .GroupBy(row => (Method: row["method"], Rho: row["rho"]))
        .OrderBy(way => way.Key.Method.Split(' ')[0] is var kind && kind == "head" ? 0 : kind == "gentle" ? 1 : kind == "full" ? 2 : 3)
        .ThenBy(way => way.Key);

    private static string Cell(IEnumerable<ResultRow> way, string set, Measure measure) =>
        Mean(way.Where(row => row["pictures"] == set), measure);

    private static string Mean(IEnumerable<ResultRow> rows, Measure measure) => rows.ToArray() is { Length: > 0 } some
        ? (measure.Factor * some.Average(row => row.Number(measure.Column))).ToString($"F{measure.Decimals}") : "–";
}
