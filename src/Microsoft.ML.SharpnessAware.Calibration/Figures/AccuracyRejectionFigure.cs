using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Draws how accurate models are on the rows that they are most confident about, against how many rows these are.</summary>
internal static class AccuracyRejectionFigure
{
    // The first rows of a curve are few, and its beginning is noise: it must not set the scale.
    private const double SmallCoverage = 0.05;

    private const double Width = 640;
    private const double MarginLeft = 90;
    private const double MarginRight = 22;
    private const double Center = (MarginLeft + Width - MarginRight) / 2;
    private const double LegendTop = 58;

    public static Figure Create(IReadOnlyList<(string Name, MulticlassCalibrationMetrics Metrics)> models, string? title)
    {
        FigureLegend legend = new(models.Select((model, i) => (
                (Series)ModelStyle.Of(i).Line(markers: true),
                FigureText.Fit(model.Name, FigureStyle.TextSize, ModelStyle.NameWidth)
                + Invariant($" · AURC {model.Metrics.AccuracyRejectionCurve.AreaUnderRiskCoverageCurve:F4}"))),
            Center, LegendTop, Width - MarginLeft - MarginRight, symbolWidth: 44);
        double top = LegendTop + legend.Height + 6;
        return new Figure(Width, top + 440,
        [
            .. FigureStyle.Heading(title ?? "Accuracy when unsure predictions are rejected",
                "accuracy of the most confident rows, by how many are kept", Center, Width - MarginLeft - MarginRight),
            legend,
            new PlotPanel(Plot([.. models.Select(model => model.Metrics.AccuracyRejectionCurve)]), new OxyRect(0, top - 8, Width, 442)),
        ]);
    }

    private static PlotModel Plot(IReadOnlyList<AccuracyRejectionCurve> curves)
    {
        double lowest = curves.SelectMany(curve => curve.Points).Where(point => point.Coverage >= SmallCoverage)
            .Min(point => point.Accuracy);
        double range = Math.Max(0.02, 1 - lowest);
        PlotModel plot = FigureStyle.NewPlot(new OxyThickness(MarginLeft, 12, MarginRight, 50));
        plot.Axes.Add(FigureStyle.ShareAxis("Accuracy of the rows kept", Math.Max(0, 1 - 1.1 * range), 1 + 0.03 * range));
        LinearAxis coverage = FigureStyle.UnitAxis(AxisPosition.Bottom, "Share of rows kept (coverage)");
        (coverage.Maximum, coverage.StringFormat) = (1.015, "0 %");
        plot.Axes.Add(coverage);

        for (int i = 0; i < curves.Count; i++)
        {
            LineSeries line = ModelStyle.Of(i).Line(markers: false);
            line.Points.AddRange(curves[i].Points.Select(point => new DataPoint(point.Coverage, point.Accuracy)));
            plot.Series.Add(line);

            // A marker on every point would hide the line; models take turns, so that equal curves show both markers.
            LineSeries markers = ModelStyle.Of(i).Markers(hollow: false);
            double shift = (i + 1.0) / curves.Count / 10;
            for (int tenth = 0; tenth < 10; tenth++)
                markers.Points.Add(line.Points.MinBy(point => Math.Abs(point.X - tenth / 10.0 - shift)));
            plot.Series.Add(markers);
        }

        return plot;
    }
}
