using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Experiments;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Summary;

/// <summary>Where SAM and SSAM train at all, over a wide grid of learning rate × ρ.</summary>
internal static class StabilityGridSummary
{
    private static readonly (string Name, string Title)[] Networks =
        [("fashion-1000", "with batch norm"), ("fashion-1000-plain", "without batch norm")];

    /// <summary>The share of the trainings of each cell that are right more than twice as often as guessing, with warm-up or
    /// without.</summary>
    public static Figure Map(IReadOnlyList<ResultRow> rows)
    {
        string[] rates = Values(rows, "learning_rate"), radii = Values(rows, "rho");
        return Plots.HeatMaps("Which training runs succeed",
            "share in % of the training runs, with warm-up and without, whose test accuracy is above 20 %; "
                + "climb: ρ g/‖g‖ (normalised) or ρ g",
            [
                .. from climb in StabilityGrid.Climbs
                   from network in Networks
                   from method in new[] { "SAM", "SSAM" }
                   let of = rows.Where(row => row["climb"] == climb && row["setting"] == network.Name && row["method"] == method).ToArray()
                   where of.Length > 0
                   select new HeatMap($"{method}, {network.Title}, {climb}", "Learning rate", "ρ", rates, radii,
                       Figures.Grid(rates, radii, of, row => 100 * row.Number("trains")), 0, 100),
            ], 4);
    }

    /// <summary>By network, climb and warm-up: the share that trains, in how many cells one method does and the other does not, how often
    /// the loss was no longer finite, and the accuracy, whose difference has its interval over seeds.</summary>
    public static string Table(IReadOnlyCollection<ResultRow> rows)
    {
        var pairs = rows.GroupBy(row => (Network: row["setting"], WarmUp: row["warm_up"], Climb: row["climb"], Rate: row["learning_rate"],
                Rho: row["rho"], Seed: row["seed"]))
            .Where(pair => pair.Count() == 2)
            .Select(pair => (pair.Key, Sam: pair.Single(row => row["method"] == "SAM"), Ssam: pair.Single(row => row["method"] == "SSAM")))
            .ToArray();
        return Tables.Table(
            ["Network", "Climb", "Warm-up", "Seeds", "Pairs", "SAM succeeds, %", "SSAM succeeds, %", "only SAM", "only SSAM",
            "SAM diverged",
                "SSAM diverged", "SAM: accuracy %", "SSAM: accuracy %", "SSAM − SAM"],
            from network in Networks
            from climb in StabilityGrid.Climbs
            from warmUp in new[] { "0.05", "0" }
            let of = pairs.Where(pair => pair.Key.Network == network.Name && pair.Key.Climb == climb && pair.Key.WarmUp == warmUp).ToArray()
            where of.Length > 0
            select (string[])
            [
                network.Title, climb, warmUp == "0" ? "none" : "5 % of the steps", $"{of.Select(pair => pair.Key.Seed).Distinct().Count()}",
                $"{of.Length}",
                $"{100 * of.Average(pair => pair.Sam.Number("trains")):F0}", $"{100 * of.Average(pair => pair.Ssam.Number("trains")):F0}",
                $"{of.Count(pair => pair.Sam["trains"] == "1" && pair.Ssam["trains"] == "0")}",
                $"{of.Count(pair => pair.Sam["trains"] == "0" && pair.Ssam["trains"] == "1")}",
                $"{of.Count(pair => pair.Sam["diverged"] == "1")}", $"{of.Count(pair => pair.Ssam["diverged"] == "1")}",
                $"{100 * of.Average(pair => pair.Sam.Number("accuracy")):F1}",
                $"{100 * of.Average(pair => pair.Ssam.Number("accuracy")):F1}",
                Estimate.Of([.. of.GroupBy(pair => pair.Key.Seed).Select(seed =>
                    seed.Average(pair => pair.Ssam.Number("accuracy") - pair.Sam.Number("accuracy")))]).Difference(100, 1),
            ]);
    }

    private static string[] Values(IEnumerable<ResultRow> rows, string column) =>
        [.. rows.Select(row => row[column]).Distinct().OrderBy(double.Parse)];
}
