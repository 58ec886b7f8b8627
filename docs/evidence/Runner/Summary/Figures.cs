using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Summary;

/// <summary>Results as figures.</summary>
internal static class Figures
{
    private static readonly string[] _climbs = ["normalised", "unnormalised"];
    private static readonly string[] _methods = ["SAM", "SSAM"];

    /// <summary>Accuracy over learning rate × ρ: where each method still trains.</summary>
    public static Figure Stability(IReadOnlyList<ResultRow> rows)
    {
        string[] rates = [.. rows.Select(row => row["learning_rate"]).Distinct().OrderBy(double.Parse)];
        string[] radii = [.. rows.Select(row => row["rho"]).Distinct().OrderBy(double.Parse)];
        return Plots.HeatMaps("Where SAM and SSAM still train", "test accuracy in %; 10: no better than guessing, or diverged",
        [
            .. from climb in _climbs
               from method in _methods
               select new HeatMap($"{method}, climb {climb}", "Learning rate", "ρ", rates, radii, Grid(rates, radii,
                   rows.Where(row => row["climb"] == climb && row["method"] == method)), 10, 90),
        ]);
    }

    /// <summary>The norms of both passes' gradients along training.</summary>
    public static Figure Norms(IReadOnlyList<ResultRow> rows)
    {
        string setting = $"learning rate {rows[0]["learning_rate"]}, ρ = {rows[0]["rho"]}";
        return Plots.Lines("Length of the gradients of both passes", setting, ["first pass", "second pass"],
        [
            .. from climb in _climbs
               from method in _methods
               let run = rows.Where(row => row["climb"] == climb && row["method"] == method).OrderBy(row => row.Number("step")).ToArray()
               where run.Length > 0
               select new Panel($"{method}, climb {climb}", "Step", "Norm",
                   [Curve(run, "first_norm"), Curve(run, "second_norm")]) { LogarithmicY = true },
        ], 330);
    }

    public static Figure Toy(IReadOnlyList<ResultRow> rows) => Plots.Lines(
        "SAM and SSAM on functions of two weights", "climb w + ρ∇f(w); valley ½(x² + 10y²), saddle ½(x² − y²)", ["gradient descent", "SAM", "SSAM"],
        [
            .. from problem in new[] { "valley", "saddle" }
               let curves = new[] { "gradient descent", "SAM", "SSAM" }.Select(method => (IReadOnlyList<(double, double, double)>)
               [
                   .. rows.Where(row => row["problem"] == problem && row["method"] == method).OrderBy(row => row.Number("step"))
                       .Select(row => (row.Number("x"), row.Number("y"), 0.0)).TakeWhile(p => Math.Abs(p.Item2) < 4),
               ]).ToArray()
               select new Panel(problem, "x", "y", curves),
        ]);

    /// <summary>Accuracy and calibration by strength of corruption, the mean over corruptions and seeds.</summary>
    public static Figure Corruptions(IReadOnlyList<ResultRow> rows)
    {
        IGrouping<string, ResultRow>[] methods = [.. Tables.ByMethod(rows.Where(row => row["seed"] != "ensemble of 3"))];
        Panel Strengths(Measure measure) => new(measure.Title, "Strength (0: clean)", measure.Title,
            [.. methods.Select(method => (IReadOnlyList<(double, double, double)>)
                [.. method.GroupBy(row => row.Number("strength")).OrderBy(group => group.Key).Select(group => Point(group, measure))])]);
        return Plots.Lines("Corrupted test images", "mean over seven corruptions; bars: standard error over seeds",
            [.. methods.Select(group => group.Key)], [Strengths(Measure.Accuracy), Strengths(Measure.Ece), Strengths(Measure.Tce)], 360);

        static (double, double, double) Point(IGrouping<double, ResultRow> group, Measure measure)
        {
            Estimate estimate = Estimate.Of([.. group.GroupBy(row => row["seed"]).Select(seed => seed.Average(row => row.Number(measure.Column)))]);
            return (group.Key, 100 * estimate.Mean, estimate.Count < 2 ? 0 : 100 * estimate.StandardError);
        }
    }

    /// <summary>The loss along random directions, the mean over seeds.</summary>
    public static Figure Sharpness(IReadOnlyList<ResultRow> rows, IReadOnlyList<double> distances)
    {
        IGrouping<string, ResultRow>[] methods = [.. Tables.ByMethod(rows)];
        return Plots.Lines("Training loss along a random direction", "each filter moved by so many times its length; mean over seeds",
            [.. methods.Select(group => group.Key)],
            [
                new Panel("", "Distance", "Cross entropy", [.. methods.Select(method => (IReadOnlyList<(double, double, double)>)
                    [.. distances.Select(d => (d, method.Average(row => row.Number($"loss_at_{Text.Of(d)}")), 0.0))])]) { LogarithmicY = true },
            ], 560);
    }

    private static double[,] Grid(string[] rates, string[] radii, IEnumerable<ResultRow> rows)
    {
        double[,] grid = new double[rates.Length, radii.Length];
        foreach (IGrouping<(string Rate, string Radius), ResultRow> cell in rows.GroupBy(row => (row["learning_rate"], row["rho"])))
            grid[Array.IndexOf(rates, cell.Key.Rate), Array.IndexOf(radii, cell.Key.Radius)] = 100 * cell.Average(row => row.Number("accuracy"));
        return grid;
    }

    private static IReadOnlyList<(double X, double Y, double Error)> Curve(IEnumerable<ResultRow> rows, string column) =>
        [.. rows.Select(row => (row.Number("step"), Math.Max(1e-6, row.Number(column)), 0.0))];
}
