using OxyPlot;
using OxyPlot.SkiaSharp;
using SkiaSharp;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A picture of plots, legends and texts, each in its place.</summary>
/// <param name="Width">The width in units of 1/96 inch.</param>
/// <param name="Height">The height in the same units.</param>
/// <param name="Parts">What is in it, drawn in this order.</param>
internal sealed record Figure(double Width, double Height, params IReadOnlyList<IFigurePart> Parts)
{
    private const float PixelsPerUnit = 2;

    public void SavePng(string path)
    {
        using SKBitmap bitmap = new((int)(Width * PixelsPerUnit), (int)(Height * PixelsPerUnit));
        using (SKCanvas canvas = new(bitmap))
        using (FigureRenderContext context = new() { SkCanvas = canvas, DpiScale = PixelsPerUnit })
        {
            context.RenderTarget = RenderTarget.PixelGraphic;
            canvas.Clear(SKColors.White);
            Render(context);
        }

        using SKData png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        AtomicFile.Write(path, png.SaveTo);
    }

    public void SaveSvg(string path)
    {
        // In memory first: where a file fails, OxyPlot's writer hides the reason behind an exception of its own.
        using var svg = new MemoryStream();
        WriteSvg(svg);
        AtomicFile.Write(path, file => file.Write(svg.GetBuffer().AsSpan(0, (int)svg.Length)));
    }

    public void WriteSvg(Stream stream)
    {
        using FigureRenderContext measurer = new();
        using FigureSvgContext context = new(stream, Width, Height, measurer);
        Render(context);
        context.Complete();
        context.Flush();
    }

    private void Render(IRenderContext context)
    {
        foreach (IFigurePart part in Parts)
            part.Render(context);
    }
}
