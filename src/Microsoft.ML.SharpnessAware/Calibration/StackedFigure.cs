using System.Globalization;
using OxyPlot;
using OxyPlot.SkiaSharp;
using SkiaSharp;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Plots below one another in one picture.</summary>
/// <param name="width">The width in units of 1/96 inch.</param>
/// <param name="panels">The plots from top to bottom with their heights.</param>
internal sealed class StackedFigure(double width, params IReadOnlyList<(PlotModel Plot, double Height)> panels)
{
    private const float PixelsPerUnit = 2;

    // The first of these that the system has; on a Linux without any of them SkiaSharp takes some font at random, perhaps an italic one.
    private static readonly string[] _fontFamilies = ["Segoe UI", "Helvetica Neue", "Arial", "Liberation Sans", "DejaVu Sans", "Noto Sans"];

    private readonly double _height = panels.Sum(panel => panel.Height);

    public void SavePng(string path)
    {
        using SKBitmap bitmap = new((int)(width * PixelsPerUnit), (int)(_height * PixelsPerUnit));
        using (SKCanvas canvas = new(bitmap))
        using (SkiaRenderContext context = new() { RenderTarget = RenderTarget.PixelGraphic, SkCanvas = canvas, DpiScale = PixelsPerUnit })
        {
            canvas.Clear(SKColors.White);
            Render(context, InstalledFont());
        }

        using SKData png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        Write(path, png.SaveTo);
    }

    public void SaveSvg(string path) => Write(path, stream =>
    {
        using SvgRenderContext context = new(stream, width, _height, true, new PdfRenderContext(width, _height, OxyColors.White), OxyColors.White);
        Render(context, "Segoe UI, Helvetica Neue, Arial, Liberation Sans, DejaVu Sans, sans-serif");
        context.Complete();
        context.Flush();
    });

    private void Render(IRenderContext context, string font)
    {
        double top = 0;
        foreach ((PlotModel plot, double height) in panels)
        {
            plot.DefaultFont = font;
            plot.Culture = CultureInfo.InvariantCulture;
            ((IPlotModel)plot).Update(true);
            ((IPlotModel)plot).Render(context, new OxyRect(0, top, width, height));
            top += height;
        }
    }

    private static string InstalledFont()
    {
        HashSet<string> installed = [.. SKFontManager.Default.FontFamilies];
        return _fontFamilies.FirstOrDefault(installed.Contains) ?? _fontFamilies[0];
    }

    /// <summary>Writes beside the target first, so that a failure leaves neither half a picture nor destroys an older one.</summary>
    private static void Write(string path, Action<Stream> write)
    {
        string target = Path.GetFullPath(path);
        string folder = Path.GetDirectoryName(target)!;
        Directory.CreateDirectory(folder);
        string temporary = Path.Combine(folder, $".{Path.GetRandomFileName()}.tmp");
        try
        {
            using (FileStream stream = new(temporary, FileMode.CreateNew))
                write(stream);
            File.Move(temporary, target, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}
