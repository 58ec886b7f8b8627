using OxyPlot;
using OxyPlot.Series;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The direction of the lines that fill a bar, so that kinds of bars can be told apart without colour.</summary>
internal enum Hatch
{
    None,
    Rising,
    Falling,
}

/// <summary>Rectangles in plot coordinates with a fill and a hatch, and with the same hatch in the legend.</summary>
internal sealed class HatchedBarSeries : XYAxisSeries
{
    private const double HatchSpacing = 6;

    public List<(double X0, double Y0, double X1, double Y1)> Bars { get; } = [];

    public OxyColor Fill { get; init; }

    public OxyColor Stroke { get; init; }

    public Hatch Hatch { get; init; }

    public override void Render(IRenderContext rc)
    {
        foreach ((double x0, double y0, double x1, double y1) in Bars)
            Draw(rc, new OxyRect(this.Transform(x0, y0), this.Transform(x1, y1)));
    }

    public override void RenderLegend(IRenderContext rc, OxyRect legendBox) => Draw(rc, legendBox.Deflate(new OxyThickness(1, 2, 1, 2)));

    private void Draw(IRenderContext rc, OxyRect box)
    {
        rc.DrawRectangle(box, Fill, OxyColors.Undefined, 0, EdgeRenderingMode.PreferGeometricAccuracy);
        if (Hatch != Hatch.None)
            rc.DrawLineSegments(HatchLines(box), Stroke, 1, EdgeRenderingMode.PreferGeometricAccuracy);
        rc.DrawRectangle(box, OxyColors.Undefined, Stroke, 1, EdgeRenderingMode.PreferGeometricAccuracy);
    }

    /// <summary>Lines at 45° through the box, on one grid for the whole picture so that neighbouring bars continue each other.</summary>
    private List<ScreenPoint> HatchLines(OxyRect box)
    {
        List<ScreenPoint> lines = [];
        int slope = Hatch == Hatch.Rising ? -1 : 1;     // screen y points down
        double from = slope > 0 ? box.Top - box.Right : box.Top + box.Left;
        double to = slope > 0 ? box.Bottom - box.Left : box.Bottom + box.Right;
        for (double offset = Math.Ceiling(from / HatchSpacing) * HatchSpacing; offset < to; offset += HatchSpacing)
        {
            // y = offset + slope x, from where it enters the box to where it leaves it
            double enter = Math.Max(box.Left, slope > 0 ? box.Top - offset : offset - box.Bottom);
            double leave = Math.Min(box.Right, slope > 0 ? box.Bottom - offset : offset - box.Top);
            lines.Add(new ScreenPoint(enter, offset + slope * enter));
            lines.Add(new ScreenPoint(leave, offset + slope * leave));
        }

        return lines;
    }
}
