using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Draws how often prediction sets hold the right class against how often they were asked to.</summary>
internal static class SetCoverageFigure
{
    private const double Width = 640;
    private const double MarginLeft = 76;
    private const double MarginRight = 22;
    private const double Center = (MarginLeft + Width - MarginRight) / 2;
    private const double LegendTop = 56;

    public static Figure Create(IReadOnlyList<(double Asked, PredictionSetMetrics Metrics)> sets, string? title)
    {
        LineSeries promise = FigureStyle.Line(LineStyle.Dash, FigureStyle.Quiet, 1.4, (0, 0), (1, 1));
        LineSeries intervals = FigureStyle.Line(LineStyle.Solid, FigureStyle.BarEdge, 1.8, FigureStyle.Whiskers(
            sets.Select(set => (set.Asked, set.Metrics.CoverageInterval))));
        LineSeries all = ModelStyle.Of(0).Markers(hollow: false);
        all.Points.AddRange(sets.Select(set => new DataPoint(set.Asked, set.Metrics.Coverage)));
        LineSeries classes = new()
        {
            LineStyle = LineStyle.None, MarkerType = MarkerType.Cross, MarkerSize = 4, MarkerStroke = FigureStyle.OverconfidentEdge,
                MarkerStrokeThickness = 1.4,
        };
        classes.Points.AddRange(sets.SelectMany(set => set.Metrics.PerClass.Where(one => one.Count >= FigureStyle.FewRows)
            .Select(one => new DataPoint(set.Asked, one.Coverage.Estimate))));

        FigureLegend legend = new(
            [(all, "got, with 95 % interval"), (classes, Invariant($"classes of {FigureStyle.FewRows} rows or more")),
                (promise, "as asked")],
            Center, LegendTop, Width - MarginLeft - MarginRight);
        double top = LegendTop + legend.Height - 2;
        double lowest = Math.Min(sets.Min(set => Math.Min(set.Asked, set.Metrics.CoverageInterval.Lower)),
            classes.Points.Select(point => point.Y).DefaultIfEmpty(1).Min());
        double span = Math.Max(0.1, 1 - lowest);
        double from = Math.Max(-0.02, 1 - 1.06 * span), to = 1 + 0.02 * span;
        PlotModel plot = FigureStyle.NewPlot(new OxyThickness(MarginLeft, 12, MarginRight, 50));
        LinearAxis asked = FigureStyle.ShareAxis("Coverage asked", from, to);
        (asked.Position, asked.IntervalLength) = (AxisPosition.Bottom, 60);
        plot.Axes.Add(asked);
        plot.Axes.Add(FigureStyle.ShareAxis("Coverage got", from, to));
        foreach (LineSeries series in new[] { promise, classes, intervals, all })
            plot.Series.Add(series);
        long fewest = sets.Min(set => set.Metrics.Count), most = sets.Max(set => set.Metrics.Count);
        return new Figure(Width, top + 500,
        [
            .. FigureStyle.Heading(title ?? "Coverage of prediction sets",
                "how often the set holds the right class · N = " +
                    (fewest == most ? Invariant($"{most:N0}") : Invariant($"{fewest:N0} to {most:N0}")),
                Center, Width - MarginLeft - MarginRight),
            legend,
            new PlotPanel(plot, new OxyRect(0, top, Width, 498)),
        ]);
    }
}
