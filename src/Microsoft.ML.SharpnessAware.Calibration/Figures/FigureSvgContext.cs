using OxyPlot;

namespace Microsoft.ML.SharpnessAware;

/// <summary>OxyPlot's SVG writer with texts and dashes where its Skia canvas has them.</summary>
internal sealed class FigureSvgContext : SvgRenderContext
{
    public FigureSvgContext(Stream stream, double width, double height, IRenderContext textMeasurer)
        : base(stream, width, height, true, textMeasurer, OxyColors.White)
        => UseVerticalTextAlignmentWorkaround = true;       // not every viewer knows dominant-baseline

    public override void DrawText(ScreenPoint p, string text, OxyColor c, string? fontFamily, double fontSize, double fontWeight,
        double rotate, HorizontalAlignment halign, VerticalAlignment valign, OxySize? maxSize)
    {
        // The workaround puts the baseline where the bottom of the text belongs.
        double descent = FigureRenderContext.Descent * fontSize;
        (double sin, double cos) = Math.SinCos(rotate * Math.PI / 180);
        ScreenPoint shifted = new(p.X + descent * sin, p.Y - descent * cos);
        base.DrawText(shifted, text, c, fontFamily, fontSize, fontWeight, rotate, halign, valign, maxSize);
    }

    /// <summary>Dashes are in units of the thickness, as on the Skia canvas.</summary>
    public override void DrawLine(IList<ScreenPoint> points, OxyColor stroke, double thickness, EdgeRenderingMode edgeRenderingMode,
        double[]? dashArray, LineJoin lineJoin)
        => base.DrawLine(points, stroke, thickness, edgeRenderingMode, dashArray?.Select(dash => dash * thickness).ToArray(), lineJoin);
}
