using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What all figures have in common: sizes, colours, axes.</summary>
internal static class FigureStyle
{
    public const double TitleSize = 18;
    public const double TextSize = 13;
    public const double SmallSize = 11;

    /// <summary>Bins with fewer rows than this are drawn fainter: what they show may be chance.</summary>
    public const int FewRows = 20;

    // Blue and vermilion of Okabe and Ito's palette, which colour-blind readers can tell apart; their lightness and hatch differ as well,
    // for grey print.
    public static readonly OxyColor Bar = OxyColor.FromRgb(0xB8, 0xD4, 0xE8);
    public static readonly OxyColor BarEdge = OxyColor.FromRgb(0x2B, 0x4C, 0x66);
    public static readonly OxyColor Overconfident = OxyColor.FromArgb(0x60, 0xD5, 0x5E, 0x00);
    public static readonly OxyColor OverconfidentEdge = OxyColor.FromRgb(0xA3, 0x45, 0x00);
    public static readonly OxyColor Underconfident = OxyColor.FromArgb(0xB0, 0x00, 0x72, 0xB2);
    public static readonly OxyColor UnderconfidentEdge = OxyColor.FromRgb(0x00, 0x2F, 0x4F);
    public static readonly OxyColor AccuracyLine = OxyColor.FromRgb(0x80, 0x80, 0x80);
    public static readonly OxyColor Quiet = OxyColor.FromRgb(0x59, 0x59, 0x59);

    private const double AxisTitleDistance = 8;

    private static readonly OxyColor Grid = OxyColor.FromRgb(0xE4, 0xE4, 0xE4);

    /// <summary>What the bins of a diagram are of.</summary>
    public static string Confidence(ReliabilityDiagram diagram) => diagram.Kind switch
    {
        DiagramKind.Predictions => "Confidence",
        DiagramKind.Positives => "Probability",
        _ => "Probability of the class",
    };

    /// <summary>What is compared with it.</summary>
    public static string Accuracy(ReliabilityDiagram diagram) => diagram.Kind switch
    {
        DiagramKind.Predictions => "Accuracy",
        DiagramKind.Positives => "Share positive",
        _ => "Share of the class",
    };

    public static string Averages(ReliabilityDiagram diagram) =>
        $"{Accuracy(diagram).ToLowerInvariant()} " + Invariant($"{diagram.Accuracy:P1} · mean ")
        + (diagram.IsOfProbability ? "probability" : "confidence") + Invariant($" {diagram.MeanConfidence:P1} · N = {diagram.Count:N0}");

    /// <summary>The colour as it looks at a third of its strength on white.</summary>
    public static OxyColor Faint(OxyColor color) => OxyColor.FromAColor((byte)(color.A / 3), color);

    public static PlotModel NewPlot(OxyThickness margins) => new()
    {
        PlotMargins = margins, Padding = new OxyThickness(0), DefaultFontSize = TextSize,
    };

    public static LinearAxis UnitAxis(AxisPosition position, string? title) => new()
    {
        Position = position, Title = title, AxisTitleDistance = AxisTitleDistance,
        Minimum = 0, Maximum = 1, MajorStep = 0.2, MinorStep = 0.1, StringFormat = "0.0",
        MajorGridlineStyle = LineStyle.Solid, MajorGridlineColor = Grid,
    };

    /// <summary>A vertical axis of shares from 0, or from somewhere above it.</summary>
    public static LinearAxis ShareAxis(string title, double minimum, double maximum) => new()
    {
        Position = AxisPosition.Left, Title = title, AxisTitleDistance = AxisTitleDistance,
        Minimum = minimum, Maximum = maximum, IntervalLength = 40, MinorTickSize = 0,
        StringFormat = maximum - minimum < 0.05 ? "0.0 %" : "0 %",
        MajorGridlineStyle = LineStyle.Solid, MajorGridlineColor = Grid,
    };

    public static LineSeries Line(LineStyle style, OxyColor color, double thickness, params IEnumerable<(double X, double Y)> points)
    {
        LineSeries line = new() { Color = color, StrokeThickness = thickness, LineStyle = style };
        line.Points.AddRange(points.Select(point => new DataPoint(point.X, point.Y)));
        return line;
    }

    /// <summary>The points of upright lines from the lower to the upper end of intervals; between them the line is broken.</summary>
    public static IEnumerable<(double X, double Y)> Whiskers(IEnumerable<(double X, ConfidenceInterval Interval)> intervals)
        => intervals.SelectMany(one => new[] { (one.X, one.Interval.Lower), (one.X, one.Interval.Upper), (double.NaN, double.NaN) });

    /// <summary>The heading of a figure: the title and below it a line of facts.</summary>
    public static IEnumerable<IFigurePart> Heading(string title, string facts, double center, double width) =>
    [
        new FigureText(title, center, 18, width) { Size = TitleSize },
        new FigureText(facts, center, 42, width),
    ];
}
