using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Experiments;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Summary;

/// <summary>Results as figures.</summary>
internal static class Figures
{
    private static readonly string[] Methods = ["SAM", "SSAM"];

    /// <summary>Accuracy and final loss over learning rate × ρ: where each method still trains.</summary>
    public static Figure Stability(IReadOnlyList<ResultRow> rows)
    {
        string[] rates = [.. rows.Select(row => row["learning_rate"]).Distinct().OrderBy(double.Parse)];
        string[] radii = [.. rows.Select(row => row["rho"]).Distinct().OrderBy(double.Parse)];
        HeatMap Map(string climb, string method, string what, Func<ResultRow, double> value, double minimum, double maximum) => new(
            $"{what}: {method}, climb {climb}", "Learning rate", "ρ", rates, radii,
            Grid(rates, radii, rows.Where(row => row["climb"] == climb && row["method"] == method), value), minimum, maximum);
        var panels = from climb in StabilityGrid.Climbs from method in Methods select (climb, method);
        return Plots.HeatMaps("Where SAM and SSAM still train",
            "test accuracy in %, 10 is guessing; cross entropy of the training images, 2.3 is guessing",
        [
            .. panels.Select(panel => Map(panel.climb, panel.method, "Accuracy", row => 100 * row.Number("accuracy"), 10, 90)),
            .. panels.Select(panel => Map(panel.climb, panel.method, "Loss", Loss, 0, 2.5) with { Format = "F2", Reversed = true }),
        ], 4);

        // A diverged training has no loss; that of guessing stands for it.
        static double Loss(ResultRow row) => row.Number("diverged") == 0 ? row.Number("train_loss") : Math.Log(10);
    }

    /// <summary>The norms of both passes' gradients along training.</summary>
    public static Figure Norms(IReadOnlyList<ResultRow> rows)
    {
        string setting = $"learning rate {rows[0]["learning_rate"]}, ρ = {rows[0]["rho"]}";
        double[] norms = [.. rows.SelectMany(row => new[] { row.Number("first_norm"), row.Number("second_norm") }).Where(norm => norm > 0)];
        return Plots.Lines("Length of the gradients of both passes", setting, ["first pass", "second pass"],
        [
            .. from climb in StabilityGrid.Climbs
               from method in Methods
               let run = rows.Where(row => row["climb"] == climb && row["method"] == method).OrderBy(row => row.Number("step")).ToArray()
               where run.Length > 0
               select new Panel($"{method}, climb {climb}", "Step", "Norm",
                   [Curve(run, "first_norm"), Curve(run, "second_norm")]) { LogarithmicY = true, RangeY =
                       (norms.Min() / 1.2, norms.Max() * 1.2) },
        ], 330);
    }

    public static Figure Toy(IReadOnlyList<ResultRow> rows)
    {
        string[] methods = ["gradient descent", "SAM", "SSAM"];
        return Plots.Lines(
            "SAM and SSAM on functions of two weights", "climb w + ρ∇f(w); valley ½(x² + 10y²), saddle ½(x² − y²)", methods,
            [
                new Panel("Valley: path", "x", "y", [.. methods.Select(method => Path("valley", method, row => row.Number("x")))]),
                new Panel("Saddle: path", "x", "y", [.. methods.Select(method =>
                    Path("saddle", method, row => row.Number("x")))]) { LogarithmicY = true },
                new Panel("Saddle: way down", "Step", "y", [.. methods.Select(method => Path("saddle", method, row => row.Number("step")))])
                {
                    LogarithmicY = true,
                },
            ], 390);

        IReadOnlyList<(double, double, double)> Path(string problem, string method, Func<ResultRow, double> x) =>
        [
            .. rows.Where(row => row["problem"] == problem && row["method"] == method).OrderBy(row => row.Number("step"))
                .Select(row => (x(row), row.Number("y"), 0.0)).TakeWhile(point => Math.Abs(point.Item2) < 4),
        ];
    }

    /// <summary>Calibration error and log loss of each method, as trained and after the temperature.</summary>
    public static Figure Calibration(IReadOnlyList<ResultRow> rows, string title)
    {
        IGrouping<string, ResultRow>[] methods = [.. Tables.ByMethod(rows)];
        int seeds = rows.Select(row => row["seed"]).Distinct().Count();
        Panel Slopes(string title, Measure before, Measure after) => new(title, "", before.Title,
            [.. methods.Select(method => (IReadOnlyList<(double, double, double)>)[Point(0, method, before), Point(1, method, after)])])
        {
            NamesX = ["as trained", "with a temperature"],
        };
        return Plots.Lines(title, seeds == 1 ? "one seed" : $"mean over {seeds} seeds; bars: standard error",
            [.. methods.Select(method => method.Key.Replace(Method.Base.Name, "SGD", StringComparison.Ordinal))],
            [Slopes("Calibration error", Measure.Ece, Measure.Tce), Slopes("Log loss", Measure.LogLoss, Measure.ScaledLogLoss)], 460);

        static (double, double, double) Point(double x, IEnumerable<ResultRow> rows, Measure measure)
        {
            Estimate estimate = Tables.Values(rows, measure);
            return (x, measure.Factor * estimate.Mean, estimate.Count < 2 ? 0 : measure.Factor * estimate.StandardError);
        }
    }

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
            Estimate estimate = Estimate.Of([.. group.GroupBy(row => row["seed"])
                .Select(seed => seed.Average(row => row.Number(measure.Column)))]);
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
                    [.. distances.Select(d => (d, method.Average(row => row.Number($"loss_at_{Text.Of(d)}")),
                        0.0))])]) { LogarithmicY = true },
            ], 560);
    }

    /// <summary>The mean value of each cell of learning rate × ρ.</summary>
    public static double[,] Grid(string[] rates, string[] radii, IEnumerable<ResultRow> rows, Func<ResultRow, double> value)
    {
        double[,] grid = new double[rates.Length, radii.Length];
        foreach (IGrouping<(string Rate, string Radius), ResultRow> cell in rows.GroupBy(row => (row["learning_rate"], row["rho"])))
            grid[Array.IndexOf(rates, cell.Key.Rate), Array.IndexOf(radii, cell.Key.Radius)] = cell.Average(value);
        return grid;
    }

    private static IReadOnlyList<(double X, double Y, double Error)> Curve(IEnumerable<ResultRow> rows, string column) =>
        [.. rows.Select(row => (row.Number("step"), Math.Max(1e-6, row.Number(column)), 0.0))];
}
