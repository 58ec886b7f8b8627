using OxyPlot;
using OxyPlot.SkiaSharp;
using SkiaSharp;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// OxyPlot's Skia canvas with texts in an embedded font. OxyPlot itself asks the system for a font and fails where there is none, as in a
/// bare container; with the embedded one a picture is the same on every system.
/// </summary>
internal sealed class FigureRenderContext : SkiaRenderContext, IRenderContext
{
    private static readonly Lazy<SKTypeface> LoadedTypeface = new(LoadTypeface);

    /// <summary>The embedded font, then fonts of the same widths or at least the same kind, for viewers of SVG.</summary>
    public const string FontFamilies = "DejaVu Sans, Verdana, sans-serif";

    /// <summary>How far the embedded font reaches below the baseline, as a part of its size.</summary>
    public const double Descent = 0.236;

    /// <summary>The width of one line of text in the embedded font.</summary>
    public static double WidthOf(string text, double fontSize)
    {
        using SKPaint paint = NewPaint(text, fontSize);
        return paint.MeasureText(text);
    }

    /// <summary>The base class applies <see cref="SkiaRenderContext.DpiScale"/> to dashes twice.</summary>
    void IRenderContext.DrawLine(IList<ScreenPoint> points, OxyColor stroke, double thickness, EdgeRenderingMode edgeRenderingMode,
        double[]? dashArray, LineJoin lineJoin)
        => DrawLine(points, stroke, thickness, edgeRenderingMode, dashArray?.Select(dash => dash / DpiScale).ToArray(), lineJoin);

    OxySize IRenderContext.MeasureText(string text, string? fontFamily, double fontSize, double fontWeight)
    {
        if (string.IsNullOrEmpty(text))
            return OxySize.Empty;
        using SKPaint paint = NewPaint(text, fontSize);
        string[] lines = text.Split('\n');
        return new OxySize(lines.Max(line => paint.MeasureText(line)), lines.Length * paint.FontSpacing);
    }

    void IRenderContext.DrawText(ScreenPoint p, string text, OxyColor fill, string? fontFamily, double fontSize, double fontWeight,
        double rotation, HorizontalAlignment horizontalAlignment, VerticalAlignment verticalAlignment, OxySize? maxSize)
    {
        if (string.IsNullOrEmpty(text))
            return;
        using SKPaint paint = NewPaint(text, fontSize);
        paint.Color = fill.ToSKColor();
        paint.TextAlign = horizontalAlignment switch
        {
            HorizontalAlignment.Left => SKTextAlign.Left,
            HorizontalAlignment.Center => SKTextAlign.Center,
            _ => SKTextAlign.Right,
        };

        string[] lines = text.Split('\n');
        SKFontMetrics metrics = paint.FontMetrics;
        float otherLines = (lines.Length - 1) * paint.FontSpacing;
        float baseline = verticalAlignment switch
        {
            VerticalAlignment.Top => -metrics.Ascent,
            VerticalAlignment.Middle => -(metrics.Ascent + metrics.Descent + otherLines) / 2,
            _ => -metrics.Descent - otherLines,
        };

        using SKAutoCanvasRestore restore = new(SkCanvas);
        SkCanvas.Scale(DpiScale);
        SkCanvas.Translate((float)p.X, (float)p.Y);
        SkCanvas.RotateDegrees((float)rotation);
        foreach (string line in lines)
        {
            SkCanvas.DrawText(line, 0, baseline, paint);
            baseline += paint.FontSpacing;
        }
    }

    private static SKPaint NewPaint(string text, double fontSize) => new()
    {
        Typeface = TypefaceFor(text), TextSize = (float)fontSize, IsAntialias = true, SubpixelText = true,
    };

    /// <summary>A title may be in a script that the embedded font lacks; then a font of the system, if one has it.</summary>
    private static SKTypeface TypefaceFor(string text)
    {
        SKTypeface typeface = LoadedTypeface.Value;
        foreach (System.Text.Rune rune in text.EnumerateRunes())
        {
            if (rune.Value != '\n' && !typeface.ContainsGlyph(rune.Value))
                return SKFontManager.Default.MatchCharacter(rune.Value) ?? typeface;
        }

        return typeface;
    }

    private static SKTypeface LoadTypeface()
    {
        using Stream font = typeof(FigureRenderContext).Assembly.GetManifestResourceStream("DejaVuSans-Subset.ttf")!;
        return SKTypeface.FromStream(font);
    }
}
