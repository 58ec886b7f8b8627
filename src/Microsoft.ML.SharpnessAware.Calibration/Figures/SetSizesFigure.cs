using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Draws how large prediction sets are, above, and how often those of each size hold the right class, below.</summary>
internal static class SetSizesFigure
{
    // Beyond this many sizes bars touch each other.
    private const int FewSizes = 40;

    private const double Width = 640;
    private const double MarginLeft = 76;
    private const double MarginRight = 18;
    private const double Center = (MarginLeft + Width - MarginRight) / 2;

    public static Figure Create(PredictionSetMetrics metrics, string? title)
    {
        string facts = Invariant($"mean size {metrics.MeanSize:F2} · of one class {metrics.SingleShare:P1} · ") +
            Invariant($"empty {metrics.EmptyShare:P1} · N = {metrics.Count:N0}");
        return new Figure(Width, 740,
        [
            .. FigureStyle.Heading(title ?? "Sizes of prediction sets", facts, Center, Width - MarginLeft - MarginRight),
            .. Shares(metrics),
            .. Coverage(metrics),
        ]);
    }

    private static IEnumerable<IFigurePart> Shares(PredictionSetMetrics metrics)
    {
        HatchedBarSeries right = new() { Fill = FigureStyle.Bar, Stroke = FigureStyle.BarEdge };
        HatchedBarSeries wrong = new() { Fill = FigureStyle.Overconfident, Stroke = FigureStyle.OverconfidentEdge, Hatch = Hatch.Rising };
        double half = metrics.PerSize[^1].Size > FewSizes ? 0.5 : 0.4;
        foreach (SizeCoverage size in metrics.PerSize)
        {
            double share = (double)size.Count / metrics.Count, covered = share * size.Coverage.Estimate;
            if (covered > 0)
                right.Bars.Add((size.Size - half, 0, size.Size + half, covered));
            if (covered < share)
                wrong.Bars.Add((size.Size - half, covered, size.Size + half, share));
        }

        PlotModel plot = Plot(metrics, FigureStyle.ShareAxis("Share of rows", 0,
            1.08 * metrics.PerSize.Max(size => (double)size.Count / metrics.Count)));
        plot.Series.Add(right);
        plot.Series.Add(wrong);
        return
        [
            new PlotPanel(plot, new OxyRect(0, 72, Width, 360)),
            new FigureLegend([(right, "the set holds the right class"), (wrong, "it does not")], Center, 56, Width),
        ];
    }

    private static IEnumerable<IFigurePart> Coverage(PredictionSetMetrics metrics)
    {
        SizeCoverage[] sizes = [.. metrics.PerSize.Where(size => size.Size > 0)];       // an empty set never holds it
        LineSeries whiskers = FigureStyle.Line(LineStyle.Solid, FigureStyle.BarEdge, 1.4,
            FigureStyle.Whiskers(sizes.Select(size => ((double)size.Size, size.Coverage))));
        LineSeries many = ModelStyle.Of(0).Markers(hollow: false), few = ModelStyle.Of(0).Markers(hollow: true);
        foreach (SizeCoverage size in sizes)
            (size.Count < FigureStyle.FewRows ? few : many).Points.Add(new DataPoint(size.Size, size.Coverage.Estimate));
        double span = Math.Max(0.1, 1 - sizes.Select(size => size.Coverage.Lower).Append(metrics.Coverage).Min());
        PlotModel plot = Plot(metrics, FigureStyle.ShareAxis("Coverage", Math.Max(0, 1 - 1.06 * span), 1 + 0.04 * span));
        LineSeries all = FigureStyle.Line(LineStyle.Dash, FigureStyle.Quiet, 1.4, (plot.Axes[0].Minimum, metrics.Coverage),
            (plot.Axes[0].Maximum, metrics.Coverage));
        foreach (LineSeries series in new[] { all, whiskers, many, few })
            plot.Series.Add(series);
        return
        [
            new FigureLegend(
                [
                    (many, "with 95 % interval"), (few, Invariant($"fewer than {FigureStyle.FewRows} rows")),
                    (all, Invariant($"all rows ({metrics.Coverage:P1})")),
                ], Center, 440, Width - MarginLeft - MarginRight),      // before the plot, which gives series without a line a colour
            new PlotPanel(plot, new OxyRect(0, 458, Width, 278)),
        ];
    }

    private static PlotModel Plot(PredictionSetMetrics metrics, LinearAxis left)
    {
        int smallest = Math.Min(1, metrics.PerSize[0].Size), largest = metrics.PerSize[^1].Size;
        PlotModel plot = FigureStyle.NewPlot(new OxyThickness(MarginLeft, 12, MarginRight, 50));
        LinearAxis axis = FigureStyle.UnitAxis(AxisPosition.Bottom, "Classes in the set");
        (axis.Minimum, axis.Maximum, axis.StringFormat) = (smallest - 0.6, largest + 0.6, "0");
        axis.MajorStep = Math.Max(1, Math.Ceiling((largest - smallest) / 20.0));
        (axis.MinorStep, axis.MajorGridlineStyle) = (axis.MajorStep, LineStyle.None);
        plot.Axes.Add(axis);
        plot.Axes.Add(left);
        return plot;
    }
}
