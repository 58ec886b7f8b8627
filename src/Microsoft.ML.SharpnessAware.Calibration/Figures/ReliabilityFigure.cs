using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Draws a <see cref="ReliabilityDiagram"/>: accuracy against confidence above, the distribution of the confidence
/// below.</summary>
internal static class ReliabilityFigure
{
    private const double Width = 640;
    private const double Center = (MarginLeft + Width - MarginRight) / 2;
    private const double MarginLeft = 76;
    private const double MarginRight = 18;

    public static Figure Create(ReliabilityDiagram diagram, string? title)
    {
        string facts = Invariant($"ECE {diagram.ExpectedCalibrationError:P2} · {FigureStyle.Averages(diagram)}");
        ReliabilityBars bars = new(diagram.Bins);
        return new Figure(Width, 760,
        [
            .. FigureStyle.Heading(title ?? "Reliability diagram", facts, Center, Width - MarginLeft - MarginRight),
            new PlotPanel(ReliabilityPlot(diagram, bars), new OxyRect(0, 72, Width, 462)),
            new FigureLegend(bars.Legend(FigureStyle.Accuracy(diagram).ToLowerInvariant(), diagram.IsOfProbability), Center, 56,
                Width - MarginLeft - MarginRight),
            .. Histogram(diagram),
        ]);
    }

    private static PlotModel ReliabilityPlot(ReliabilityDiagram diagram, ReliabilityBars bars)
    {
        PlotModel plot = FigureStyle.NewPlot(new OxyThickness(MarginLeft, 12, MarginRight, 50));
        plot.Axes.Add(FigureStyle.UnitAxis(AxisPosition.Bottom, FigureStyle.Confidence(diagram)));
        plot.Axes.Add(FigureStyle.UnitAxis(AxisPosition.Left, FigureStyle.Accuracy(diagram)));
        bars.AddTo(plot);
        return plot;
    }

    private static IEnumerable<IFigurePart> Histogram(ReliabilityDiagram diagram)
    {
        HatchedBarSeries share = new() { Fill = FigureStyle.Bar, Stroke = FigureStyle.BarEdge };
        foreach (ReliabilityBin bin in diagram.Bins.Where(bin => bin.Count > 0))
            share.Bars.Add((bin.LowerBound, 0, bin.UpperBound, bin.Count / (double)diagram.Count));

        double top = 1.08 * share.Bars.Max(bar => bar.Y1);
        LineSeries accuracy = FigureStyle.Line(LineStyle.Solid, FigureStyle.AccuracyLine, 4,
            (diagram.Accuracy, 0), (diagram.Accuracy, top));
        LineSeries confidence = FigureStyle.Line(LineStyle.Dot, OxyColors.Black, 1.8,
            (diagram.MeanConfidence, 0), (diagram.MeanConfidence, top));

        PlotModel plot = FigureStyle.NewPlot(new OxyThickness(MarginLeft, 12, MarginRight, 50));
        plot.Axes.Add(FigureStyle.UnitAxis(AxisPosition.Bottom, FigureStyle.Confidence(diagram)));
        plot.Axes.Add(FigureStyle.ShareAxis("Share of rows", 0, top));
        plot.Series.Add(share);
        plot.Series.Add(accuracy);
        plot.Series.Add(confidence);
        return
        [
            new PlotPanel(plot, new OxyRect(0, 568, Width, 186)),
            new FigureLegend([(share, "share of rows"), (accuracy, FigureStyle.Accuracy(diagram).ToLowerInvariant()),
                (confidence, "mean " + FigureStyle.Confidence(diagram).ToLowerInvariant())], Center, 550, Width),
        ];
    }
}
