using OxyPlot;
using OxyPlot.Axes;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Draws a small reliability diagram for each class: the share of rows of the class against the probability given to it.</summary>
internal static class PerClassFigure
{
    /// <summary>More classes than this are not legible in one figure; then it shows the worst ones.</summary>
    public const int MaximumPanels = 25;

    private const double MarginLeft = 64;
    private const double MarginRight = 16;
    private const double MarginBottom = 58;
    private const double Gap = 14;
    private const double NameHeight = 42;
    private const double LegendTop = 56;

    public static Figure Create(MulticlassCalibrationMetrics metrics, string? title)
    {
        IReadOnlyList<ClassCalibration> classes = metrics.PerClass;
        bool selected = classes.Count > MaximumPanels;
        if (selected)
            classes = [.. classes.OrderByDescending(one => one.ExpectedCalibrationError).Take(MaximumPanels)];

        (int columns, int rows) = Grid(classes.Count);
        double side = columns switch { <= 2 => 270, 3 => 210, 4 => 180, _ => 150 };
        double width = MarginLeft + MarginRight + columns * side + (columns - 1) * Gap;
        double center = (MarginLeft + width - MarginRight) / 2;

        string which = selected
            ? Invariant($"the {MaximumPanels} of {metrics.PerClass.Count:N0} classes with the largest ECE, worst first")
            : Invariant($"classwise ECE {metrics.ClasswiseCalibrationError:P2}");
        string facts = Invariant($"{which} · N = {metrics.Count:N0}");
        if (classes.Any(one => one.ReliabilityDiagram.Bins.Any(bin => bin.Count is > 0 and < FigureStyle.FewRows)))
            facts += Invariant($" · pale: fewer than {FigureStyle.FewRows} rows");
        FigureLegend legend = new(
            new ReliabilityBars([]).Legend("share of the class"), center, LegendTop, width - MarginLeft - MarginRight);
        double top = LegendTop + legend.Height + 4;
        double bottom = top + rows * (NameHeight + side) + (rows - 1) * Gap;
        List<IFigurePart> parts =
        [
            .. FigureStyle.Heading(title ?? "Reliability of each class", facts, center, width - MarginLeft - MarginRight), legend,
            new FigureText("Probability of the class", center, bottom + 40, width - MarginLeft),
            new FigureText("Share of rows of the class", 18, (top + bottom) / 2, bottom - top) { Rotation = -90 },
        ];
        for (int i = 0; i < classes.Count; i++)
        {
            double left = MarginLeft + i % columns * (side + Gap);
            double y = top + i / columns * (NameHeight + side + Gap);
            bool isLowest = i + columns >= classes.Count;
            parts.AddRange(Panel(classes[i], left, y, side, labelsLeft: i % columns == 0, labelsBelow: isLowest));
        }

        return new Figure(width, bottom + MarginBottom, parts);
    }

    /// <summary>At most five columns, as few empty places as possible, and rather wide than high.</summary>
    private static (int Columns, int Rows) Grid(int panels)
    {
        int columns = panels <= 3 ? panels
            : new[] { 5, 4, 3 }.Where(columns => columns <= panels).MinBy(columns => Rows(columns) * columns);
        return (columns, Rows(columns));

        int Rows(int columns) => (panels + columns - 1) / columns;
    }

    private static IEnumerable<IFigurePart> Panel(
        ClassCalibration one, double left, double top, double side, bool labelsLeft, bool labelsBelow)
    {
        // The margins, where the axes are labelled, reach over the places of neighbours.
        const double Margin = 40;
        PlotModel plot = FigureStyle.NewPlot(new OxyThickness(Margin));
        plot.Axes.Add(Axis(AxisPosition.Bottom, labelsBelow));
        plot.Axes.Add(Axis(AxisPosition.Left, labelsLeft));
        ReliabilityBars few = new(one.ReliabilityDiagram.Bins.Where(bin => bin.Count < FigureStyle.FewRows), faint: true);
        few.AddBarsTo(plot);
        new ReliabilityBars(one.ReliabilityDiagram.Bins.Where(bin => bin.Count >= FigureStyle.FewRows)).AddTo(plot);

        string facts = Invariant($"ECE {one.ExpectedCalibrationError:P2} · {one.Count:N0} row{(one.Count == 1 ? "" : "s")}");
        double middle = left + side / 2;
        return
        [
            new FigureText(one.ClassName, middle, top + 14, side),
            new FigureText(facts, middle, top + 31, side) { Size = FigureStyle.SmallSize, Color = FigureStyle.Quiet },
            new PlotPanel(plot, new OxyRect(left - Margin, top + NameHeight - Margin, side + 2 * Margin, side + 2 * Margin)),
        ];
    }

    private static LinearAxis Axis(AxisPosition position, bool labels)
    {
        LinearAxis axis = FigureStyle.UnitAxis(position, null);
        (axis.MajorStep, axis.MinorStep, axis.MinorTickSize, axis.StringFormat) = (0.5, 0.25, 0, "0.#");
        if (!labels)
        {
            axis.LabelFormatter = _ => "";
            axis.MajorTickSize = 0;
        }

        return axis;
    }
}
