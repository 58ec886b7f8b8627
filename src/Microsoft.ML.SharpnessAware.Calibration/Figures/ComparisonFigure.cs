using OxyPlot;
using OxyPlot.Annotations;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Draws the reliability diagrams of several models as lines in one plot, with the distributions of their confidence
/// below.</summary>
internal static class ComparisonFigure
{
    private const double Width = 640;
    private const double MarginLeft = 76;
    private const double MarginRight = 18;
    private const double Center = (MarginLeft + Width - MarginRight) / 2;
    private const double LegendTop = 58;
    private const double Room = 0.02;       // for markers on the edge

    public static Figure Create(IReadOnlyList<(string Name, ClassifierCalibrationMetrics Metrics)> models, string? title)
    {
        FigureLegend legend = new(models.Select((model, i) => (
                (Series)ModelStyle.Of(i).Line(markers: true),
                FigureText.Fit(model.Name, FigureStyle.TextSize, ModelStyle.NameWidth)
                + Invariant($" · ECE {model.Metrics.ExpectedCalibrationError:P2}"))),
            Center, LegendTop, Width - MarginLeft - MarginRight, symbolWidth: 44);
        double top = LegendTop + legend.Height + 6;
        bool hollow = models.SelectMany(model => model.Metrics.ReliabilityDiagram.Bins).Any(HasFewRows);
        ReliabilityDiagram any = models[0].Metrics.ReliabilityDiagram;
        string facts = (any.IsOfProbability ? "share positive of the rows of each probability" : "accuracy of the rows of each confidence")
             + (hollow ? $"; hollow: fewer than {FigureStyle.FewRows} rows" : "");
        return new Figure(Width, top + 660,
        [
            .. FigureStyle.Heading(title ?? "Reliability of several models", facts, Center, Width - MarginLeft - MarginRight),
            legend,
            new PlotPanel(ReliabilityPlot(models), new OxyRect(0, top - 8, Width, 488)),
            new PlotPanel(SharePlot(models), new OxyRect(0, top + 474, Width, 182)),
        ]);
    }

    private static PlotModel ReliabilityPlot(IReadOnlyList<(string Name, ClassifierCalibrationMetrics Metrics)> models)
    {
        PlotModel plot = FigureStyle.NewPlot(new OxyThickness(MarginLeft, 12, MarginRight, 50));
        foreach (LinearAxis axis in (LinearAxis[])
            [
                FigureStyle.UnitAxis(AxisPosition.Bottom, FigureStyle.Confidence(models[0].Metrics.ReliabilityDiagram)),
                FigureStyle.UnitAxis(AxisPosition.Left, FigureStyle.Accuracy(models[0].Metrics.ReliabilityDiagram)),
            ])
        {
            (axis.Minimum, axis.Maximum) = (-Room, 1 + Room);
            plot.Axes.Add(axis);
        }

        bool isBinary = models[0].Metrics.ReliabilityDiagram.IsOfProbability;
        plot.Annotations.Add(Corner(isBinary ? "too low" : "underconfident", 0, 1, HorizontalAlignment.Left, VerticalAlignment.Top));
        plot.Annotations.Add(Corner(isBinary ? "too high" : "overconfident", 1, 0, HorizontalAlignment.Right, VerticalAlignment.Bottom));
        plot.Series.Add(FigureStyle.Line(LineStyle.Solid, FigureStyle.AccuracyLine, 1.2, (0, 0), (1, 1)));
        for (int i = 0; i < models.Count; i++)
        {
            LineSeries line = ModelStyle.Of(i).Line(markers: false);
            LineSeries many = ModelStyle.Of(i).Markers(hollow: false);
            LineSeries few = ModelStyle.Of(i).Markers(hollow: true);
            foreach (ReliabilityBin bin in models[i].Metrics.ReliabilityDiagram.Bins.Where(bin => bin.Count > 0))
            {
                DataPoint point = new(bin.MeanConfidence, bin.Accuracy);
                line.Points.Add(point);
                (HasFewRows(bin) ? few : many).Points.Add(point);
            }

            plot.Series.Add(line);
            plot.Series.Add(many);
            plot.Series.Add(few);
        }

        return plot;
    }

    private static PlotModel SharePlot(IReadOnlyList<(string Name, ClassifierCalibrationMetrics Metrics)> models)
    {
        PlotModel plot = FigureStyle.NewPlot(new OxyThickness(MarginLeft, 12, MarginRight, 50));
        for (int i = 0; i < models.Count; i++)
        {
            ReliabilityDiagram diagram = models[i].Metrics.ReliabilityDiagram;
            LineSeries steps = ModelStyle.Of(i).Line(markers: false);
            steps.MinimumSegmentLength = 0;     // low steps must not become slopes
            foreach (ReliabilityBin bin in diagram.Bins)
            {
                double share = bin.Count / (double)diagram.Count;
                steps.Points.Add(new DataPoint(bin.LowerBound, share));
                steps.Points.Add(new DataPoint(bin.UpperBound, share));
            }

            plot.Series.Add(steps);
        }

        double top = 1.08 * plot.Series.OfType<LineSeries>().SelectMany(line => line.Points).Max(point => point.Y);
        LinearAxis confidence = FigureStyle.UnitAxis(
            AxisPosition.Bottom, FigureStyle.Confidence(models[0].Metrics.ReliabilityDiagram));
        (confidence.Minimum, confidence.Maximum) = (-Room, 1 + Room);
        plot.Axes.Add(confidence);
        plot.Axes.Add(FigureStyle.ShareAxis("Share of rows", 0, top));
        return plot;
    }

    private static bool HasFewRows(ReliabilityBin bin) => bin.Count is > 0 and < FigureStyle.FewRows;

    private static TextAnnotation Corner(
        string text, double x, double y, HorizontalAlignment horizontal, VerticalAlignment vertical) => new()
    {
        Text = text, TextPosition = new DataPoint(x, y), TextHorizontalAlignment = horizontal, TextVerticalAlignment = vertical,
        TextColor = FigureStyle.Quiet, Stroke = OxyColors.Undefined, StrokeThickness = 0, Layer = AnnotationLayer.BelowSeries,
    };
}
