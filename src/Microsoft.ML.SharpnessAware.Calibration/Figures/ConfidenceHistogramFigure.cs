using OxyPlot;
using OxyPlot.Axes;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Draws how confident right predictions are (upwards) and wrong ones (downwards), each as shares of its own kind, so that few wrong ones
/// can be seen as well as many right ones.
/// </summary>
internal static class ConfidenceHistogramFigure
{
    private const double Width = 640;
    private const double Height = 520;
    private const double MarginLeft = 88;
    private const double MarginRight = 18;
    private const double Center = (MarginLeft + Width - MarginRight) / 2;
    private const double Top = 74;

    public static Figure Create(MulticlassCalibrationMetrics metrics, string? title)
    {
        ReliabilityDiagram diagram = metrics.ReliabilityDiagram;
        long rightRows = diagram.Bins.Sum(Right);
        long wrongRows = diagram.Count - rightRows;
        HatchedBarSeries right = new() { Fill = FigureStyle.Bar, Stroke = FigureStyle.BarEdge };
        HatchedBarSeries wrong = new()
        {
            Fill = FigureStyle.Overconfident, Stroke = FigureStyle.OverconfidentEdge, Hatch = Hatch.Rising,
        };
        foreach (ReliabilityBin bin in diagram.Bins.Where(bin => bin.Count > 0))
        {
            long correct = Right(bin);
            if (correct > 0)
                right.Bars.Add((bin.LowerBound, 0, bin.UpperBound, correct / (double)rightRows));
            if (correct < bin.Count)
                wrong.Bars.Add((bin.LowerBound, -(bin.Count - correct) / (double)wrongRows, bin.UpperBound, 0));
        }

        double up = right.Bars.Select(bar => bar.Y1).DefaultIfEmpty().Max();
        double down = -wrong.Bars.Select(bar => bar.Y0).DefaultIfEmpty().Min();
        (up, down) = (1.08 * Math.Max(up, down / 2), 1.08 * Math.Max(down, up / 2));     // both halves stay legible

        PlotModel plot = FigureStyle.NewPlot(new OxyThickness(MarginLeft, 12, MarginRight, 50));
        plot.Axes.Add(FigureStyle.UnitAxis(AxisPosition.Bottom, "Confidence"));
        LinearAxis shares = FigureStyle.ShareAxis("", -down, up);
        shares.StringFormat = up + down < 0.05 ? "0.0 %;0.0 %" : "0 %;0 %";         // the lower half counts downwards
        plot.Axes.Add(shares);
        plot.Series.Add(right);
        plot.Series.Add(wrong);
        plot.Series.Add(FigureStyle.Line(LineStyle.Solid, OxyColors.Black, 1, (0, 0), (1, 0)));

        const double PlotTop = Top + 12, PlotHeight = Height - PlotTop - 54;
        double zero = PlotTop + PlotHeight * up / (up + down);
        return new Figure(Width, Height,
        [
            .. FigureStyle.Heading(title ?? "Confidence of right and wrong predictions",
                FigureStyle.Averages(diagram), Center, Width - MarginLeft - MarginRight),
            new PlotPanel(plot, new OxyRect(0, Top, Width, PlotHeight + 62)),
            new FigureLegend(
                [
                    (right, Invariant($"right predictions ({rightRows:N0})")),
                    (wrong, Invariant($"wrong predictions ({wrongRows:N0})")),
                ],
                Center, 56, Width),
            AxisTitle("Share of the right", PlotTop, zero),
            AxisTitle("Share of the wrong", zero, PlotTop + PlotHeight),
        ]);
    }

    private static FigureText AxisTitle(string text, double top, double bottom)
        => new(text, 20, (top + bottom) / 2, bottom - top) { Rotation = -90 };

    private static long Right(ReliabilityBin bin) => bin.Count == 0 ? 0 : (long)Math.Round(bin.Accuracy * bin.Count);
}
