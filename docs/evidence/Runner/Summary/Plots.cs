using Microsoft.ML.SharpnessAware;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace MLSharpness.Evidence.Summary;

/// <summary>The plots that the figures are made of, in the style of the library's own.</summary>
internal static class Plots
{
    private const double LegendTop = 58;

    /// <summary>Curves with markers, in panels side by side, in a row or so many of them, with one legend.</summary>
    public static Figure Lines(
        string title, string facts, IReadOnlyList<string> names, IReadOnlyList<Panel> panels, double panelWidth = 420, double panelHeight =
            360, int rows = 1)
    {
        int columns = panels.Count / rows;
        double width = panelWidth * columns;
        bool markers = panels.All(panel => panel.Curves.All(curve => curve.Count <= 20));
        FigureLegend legend = new(names.Select((name, i) => ((Series)ModelStyle.Of(i).Line(markers), name)), width / 2, LegendTop,
            width - 60, 44);
        double top = LegendTop + legend.Height;
        return new Figure(width, top + panelHeight * rows + 8,
        [
            .. FigureStyle.Heading(title, facts, width / 2, width - 20),
            legend,
            .. panels.Select((panel, i) => new PlotPanel(LinePlot(panel, markers),
                new OxyRect(i % columns * panelWidth, top + i / columns * panelHeight, panelWidth, panelHeight))),
        ]);
    }

    /// <summary>Grids of numbers as colours with the numbers in them.</summary>
    public static Figure HeatMaps(
        string title, string facts, IReadOnlyList<HeatMap> maps, int columns, double panelWidth = 330, double panelHeight = 330) => new(
        panelWidth * columns, 60 + panelHeight * ((maps.Count + columns - 1) / columns),
        [
            .. FigureStyle.Heading(title, facts, panelWidth * columns / 2, panelWidth * columns - 20),
            .. maps.Select((map, i) => new PlotPanel(
                HeatPlot(map), new OxyRect(i % columns * panelWidth, 56 + i / columns * panelHeight, panelWidth, panelHeight))),
        ]);

    private static PlotModel LinePlot(Panel panel, bool markers)
    {
        PlotModel plot = NewPlot(panel.Title, 76, 18);
        Axis horizontal = Axis(AxisPosition.Bottom, panel.X, panel.LogarithmicX);
        if (panel.NamesX is { Count: > 0 } names)
        {
            (horizontal.MajorStep, horizontal.MinorTickSize, horizontal.MinimumPadding, horizontal.MaximumPadding) = (1, 0, 0.3, 0.3);
            horizontal.LabelFormatter = place => (int)place == place && place >= 0 && place < names.Count ? names[(int)place] : "";
        }
        plot.Axes.Add(horizontal);
        Axis vertical = Axis(AxisPosition.Left, panel.Y, panel.LogarithmicY);
        if (panel.RangeY is (double minimum, double maximum))
            (vertical.Minimum, vertical.Maximum) = (minimum, maximum);
        plot.Axes.Add(vertical);
        for (int i = 0; i < panel.Curves.Count; i++)
        {
            LineSeries line = ModelStyle.Of(i).Line(markers);
            line.Points.AddRange(panel.Curves[i].Select(point => new DataPoint(point.X, point.Y)));
            plot.Series.Add(line);
            foreach ((double x, double y, double error) in panel.Curves[i].Where(point => point.Error > 0))
                plot.Series.Add(FigureStyle.Line(LineStyle.Solid, line.Color, 1, (x, y - error), (x, y + error)));
        }
        return plot;
    }

    private static PlotModel HeatPlot(HeatMap map)
    {
        PlotModel plot = NewPlot(map.Title, 66, 12);
        plot.Axes.Add(new CategoryAxis { Position = AxisPosition.Bottom, Title = map.X, ItemsSource = map.Columns, GapWidth = 0 });
        plot.Axes.Add(new CategoryAxis { Position = AxisPosition.Left, Title = map.Y, ItemsSource = map.Rows, GapWidth = 0 });
        plot.Axes.Add(new LinearColorAxis
        {
            Position = AxisPosition.None, Palette = map.Reversed ? OxyPalettes.Viridis(100).Reverse() : OxyPalettes.Viridis(100), Minimum =
                map.Minimum, Maximum = map.Maximum,
        });
        plot.Series.Add(new HeatMapSeries
        {
            X0 = 0, X1 = map.Columns.Length - 1, Y0 = 0, Y1 = map.Rows.Length - 1, Data = map.Values, Interpolate = false,
            RenderMethod = HeatMapRenderMethod.Rectangles, LabelFontSize = 0,
        });
        for (int x = 0; x < map.Columns.Length; x++)
        {
            for (int y = 0; y < map.Rows.Length; y++)
            {
                bool bright = map.Reversed
                    ? map.Values[x, y] < map.Minimum + 0.4 * (map.Maximum - map.Minimum)
                    : map.Values[x, y] > map.Minimum + 0.6 * (map.Maximum - map.Minimum);
                plot.Annotations.Add(new OxyPlot.Annotations.TextAnnotation
                {
                    Text = map.Values[x, y].ToString(map.Format), TextPosition = new DataPoint(x, y), Stroke = OxyColors.Undefined,
                        StrokeThickness = 0,
                    TextHorizontalAlignment = HorizontalAlignment.Center, TextVerticalAlignment = VerticalAlignment.Middle,
                    TextColor = bright ? OxyColors.Black : OxyColors.White,
                });
            }
        }
        return plot;
    }

    private static PlotModel NewPlot(string title, double left, double right)
    {
        PlotModel plot = FigureStyle.NewPlot(new OxyThickness(left, 6, right, 50));
        (plot.Title, plot.TitleFontSize, plot.TitleFontWeight) = (title, FigureStyle.TextSize, FontWeights.Normal);
        return plot;
    }

    private static Axis Axis(AxisPosition position, string title, bool logarithmic)
    {
        Axis axis = logarithmic ? new LogarithmicAxis() : new LinearAxis { MinimumPadding = 0.05, MaximumPadding = 0.05 };
        (axis.Position, axis.Title, axis.AxisTitleDistance) = (position, title, 8);
        (axis.MajorGridlineStyle, axis.MajorGridlineColor) = (LineStyle.Solid, OxyColor.FromRgb(0xE4, 0xE4, 0xE4));
        return axis;
    }
}
