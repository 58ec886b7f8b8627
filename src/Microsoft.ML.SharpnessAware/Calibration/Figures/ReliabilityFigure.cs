using System.Globalization;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Draws a <see cref="ReliabilityDiagram"/>: accuracy against confidence above, the distribution of the confidence
/// below.</summary>
internal static class ReliabilityFigure
{
    private const double AxisTitleDistance = 8;

    // Blue and vermilion of Okabe and Ito's palette, which colour-blind readers can tell apart; their lightness and hatch differ as well,
    // for grey print.
    private static readonly OxyColor _bar = OxyColor.FromRgb(0xB8, 0xD4, 0xE8);
    private static readonly OxyColor _barEdge = OxyColor.FromRgb(0x2B, 0x4C, 0x66);
    private static readonly OxyColor _overconfident = OxyColor.FromArgb(0x60, 0xD5, 0x5E, 0x00);
    private static readonly OxyColor _overconfidentEdge = OxyColor.FromRgb(0xA3, 0x45, 0x00);
    private static readonly OxyColor _underconfident = OxyColor.FromArgb(0xB0, 0x00, 0x72, 0xB2);
    private static readonly OxyColor _underconfidentEdge = OxyColor.FromRgb(0x00, 0x2F, 0x4F);
    private static readonly OxyColor _accuracyLine = OxyColor.FromRgb(0x80, 0x80, 0x80);
    private static readonly OxyColor _grid = OxyColor.FromRgb(0xE4, 0xE4, 0xE4);

    public static StackedFigure Create(ReliabilityDiagram diagram, string? title)
        => new(640, (ReliabilityPanel(diagram, title ?? "Reliability diagram"), 540), (HistogramPanel(diagram), 220));

    private static PlotModel ReliabilityPanel(ReliabilityDiagram diagram, string title)
    {
        PlotModel plot = NewPanel();
        plot.Title = title;
        plot.Subtitle = string.Create(CultureInfo.InvariantCulture,
            $"ECE {diagram.ExpectedCalibrationError:P2} · accuracy {diagram.Accuracy:P1} · "
            + $"mean confidence {diagram.MeanConfidence:P1} · N = {diagram.Count:N0}");
        plot.Axes.Add(UnitAxis(AxisPosition.Bottom, "Confidence"));
        plot.Axes.Add(UnitAxis(AxisPosition.Left, "Accuracy"));

        HatchedBarSeries accuracy = new() { Title = "accuracy", Fill = _bar, Stroke = _barEdge };
        HatchedBarSeries over = new() { Title = "overconfident", Fill = _overconfident, Stroke = _overconfidentEdge, Hatch = Hatch.Rising };
        HatchedBarSeries under = new()
        {
            Title = "underconfident", Fill = _underconfident, Stroke = _underconfidentEdge, Hatch = Hatch.Falling,
        };
        foreach (ReliabilityBin bin in diagram.Bins.Where(bin => bin.Count > 0))
        {
            accuracy.Bars.Add((bin.LowerBound, 0, bin.UpperBound, bin.Accuracy));
            (bin.Gap > 0 ? over : under).Bars.Add((bin.LowerBound, bin.Accuracy, bin.UpperBound, bin.MeanConfidence));
        }

        plot.Series.Add(accuracy);
        plot.Series.Add(over);
        plot.Series.Add(under);
        plot.Series.Add(Line("perfect calibration", LineStyle.Dash, OxyColors.Black, 1.8, (0, 0), (1, 1)));
        return plot;
    }

    private static PlotModel HistogramPanel(ReliabilityDiagram diagram)
    {
        PlotModel plot = NewPanel();
        HatchedBarSeries share = new() { Title = "share of rows", Fill = _bar, Stroke = _barEdge };
        foreach (ReliabilityBin bin in diagram.Bins.Where(bin => bin.Count > 0))
            share.Bars.Add((bin.LowerBound, 0, bin.UpperBound, bin.Count / (double)diagram.Count));

        double top = 1.08 * share.Bars.Max(bar => bar.Y1);
        plot.Axes.Add(UnitAxis(AxisPosition.Bottom, "Confidence"));
        plot.Axes.Add(new LinearAxis
        {
            Position = AxisPosition.Left, Title = "Share of rows", AxisTitleDistance = AxisTitleDistance,
            Minimum = 0, Maximum = top, IntervalLength = 40, MinorTickSize = 0, StringFormat = top < 0.05 ? "0.0 %" : "0 %",
            MajorGridlineStyle = LineStyle.Solid, MajorGridlineColor = _grid,
        });
        plot.Series.Add(share);
        plot.Series.Add(Line("accuracy", LineStyle.Solid, _accuracyLine, 4, (diagram.Accuracy, 0), (diagram.Accuracy, top)));
        plot.Series.Add(Line("mean confidence", LineStyle.Dot, OxyColors.Black, 1.8,
            (diagram.MeanConfidence, 0), (diagram.MeanConfidence, top)));
        return plot;
    }

    private static PlotModel NewPanel()
    {
        PlotModel plot = new()
        {
            PlotMargins = new OxyThickness(72, double.NaN, 18, double.NaN),
            DefaultFontSize = 13, TitleFontSize = 18, SubtitleFontSize = 13,
            TitleFontWeight = FontWeights.Normal, SubtitleFontWeight = FontWeights.Normal,
        };
        plot.Legends.Add(new Legend
        {
            LegendPlacement = LegendPlacement.Outside, LegendPosition = LegendPosition.TopCenter,
            LegendOrientation = LegendOrientation.Horizontal,
            LegendSymbolLength = 22, LegendItemSpacing = 16, LegendMargin = 2, LegendPadding = 4,
        });
        return plot;
    }

    private static LinearAxis UnitAxis(AxisPosition position, string title) => new()
    {
        Position = position, Title = title, AxisTitleDistance = AxisTitleDistance,
        Minimum = 0, Maximum = 1, MajorStep = 0.2, MinorStep = 0.1, StringFormat = "0.0",
        MajorGridlineStyle = LineStyle.Solid, MajorGridlineColor = _grid,
    };

    private static LineSeries Line(string title, LineStyle style, OxyColor color, double thickness,
        (double X, double Y) from, (double X, double Y) to)
    {
        LineSeries line = new() { Title = title, Color = color, StrokeThickness = thickness, LineStyle = style };
        line.Points.Add(new DataPoint(from.X, from.Y));
        line.Points.Add(new DataPoint(to.X, to.Y));
        return line;
    }
}
