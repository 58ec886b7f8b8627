using OxyPlot;
using OxyPlot.Series;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// How the lines of one of several models look. Colour, dashes and marker each tell the models apart on their own, so that two of them
/// may be lost, to grey print and to a reader's eyes, for example.
/// </summary>
internal sealed record ModelStyle
{
    /// <summary>How long a model's name may be in a legend.</summary>
    public const double NameWidth = 360;

    private static readonly ModelStyle[] All =
    [
        new(0x0072B2, [], MarkerType.Circle),
        new(0xD55E00, [5, 2], MarkerType.Square),
        new(0x009E73, [1.2, 1.6], MarkerType.Triangle),
        new(0x000000, [7, 2, 1.2, 2], MarkerType.Diamond),
        new(0xCC79A7, [11, 2.5], MarkerType.Custom, [(0, 1.3), (1.2, -0.8), (-1.2, -0.8)]),
        new(0x56B4E9, [3, 1.5, 1.2, 1.5, 1.2, 1.5], MarkerType.Custom, Star(5, 0.7, 1.65)),
        new(0xB07D00, [11, 2, 3, 2], MarkerType.Custom,
            [(.4, 1), (.4, .4), (1, .4), (1, -.4), (.4, -.4), (.4, -1), (-.4, -1), (-.4, -.4), (-1, -.4), (-1, .4), (-.4, .4), (-.4, 1)]),
        new(0x7F7F7F, [2.5, 2.5], MarkerType.Custom, [(-1.2, -1.2), (1.2, -1.2), (.35, 0), (1.2, 1.2), (-1.2, 1.2), (-.35, 0)]),
    ];

    private readonly OxyColor _color;
    private readonly double[] _dashes;
    private readonly MarkerType _marker;
    private readonly ScreenPoint[]? _outline;

    private ModelStyle(uint color, double[] dashes, MarkerType marker, params (double X, double Y)[] outline)
    {
        (_color, _dashes, _marker) = (OxyColor.FromUInt32(0xFF000000 | color), dashes, marker);
        _outline = outline.Length == 0 ? null : [.. outline.Select(point => new ScreenPoint(point.X, point.Y))];
    }

    /// <summary>How many models can be told apart in one figure.</summary>
    public static int Count => All.Length;

    public static ModelStyle Of(int model) => All[model];

    /// <summary>A line, with markers or without.</summary>
    public LineSeries Line(bool markers)
    {
        LineSeries line = markers ? Markers(hollow: false) : new LineSeries();
        (line.Color, line.StrokeThickness, line.LineJoin) = (_color, 2, LineJoin.Round);
        line.LineStyle = LineStyle.Solid;
        if (_dashes.Length > 0)
            line.Dashes = _dashes;
        return line;
    }

    /// <summary>Markers alone, to be drawn over the line.</summary>
    public LineSeries Markers(bool hollow) => new()
    {
        LineStyle = LineStyle.None, MarkerType = _marker, MarkerOutline = _outline!, MarkerSize = 4.4,
        MarkerFill = hollow ? OxyColors.White : _color, MarkerStroke = hollow ? _color : OxyColors.White,
        MarkerStrokeThickness = hollow ? 1.4 : 0.8,
    };

    private static (double X, double Y)[] Star(int points, double inner, double outer)
        => [.. Enumerable.Range(0, 2 * points).Select(i =>
        {
            double radius = i % 2 == 0 ? outer : inner;
            (double sin, double cos) = Math.SinCos(Math.PI * i / points);
            return (radius * sin, -radius * cos);
        })];
}
