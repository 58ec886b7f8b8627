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

    private readonly double _height = panels.Sum(panel => panel.Height);

    public void SavePng(string path)
    {
        using SKBitmap bitmap = new((int)(width * PixelsPerUnit), (int)(_height * PixelsPerUnit));
        using (SKCanvas canvas = new(bitmap))
        using (FigureRenderContext context = new() { SkCanvas = canvas, DpiScale = PixelsPerUnit })
        {
            context.RenderTarget = RenderTarget.PixelGraphic;
            canvas.Clear(SKColors.White);
            Render(context);
        }

        using SKData png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        Write(path, png.SaveTo);
    }

    public void SaveSvg(string path) => Write(path, stream =>
    {
        using FigureRenderContext measurer = new();
        using FigureSvgContext context = new(stream, width, _height, measurer);
        Render(context);
        context.Complete();
        context.Flush();
    });

    private void Render(IRenderContext context)
    {
        double top = 0;
        foreach ((PlotModel plot, double height) in panels)
        {
            plot.DefaultFont = FigureRenderContext.FontFamilies;
            plot.Culture = CultureInfo.InvariantCulture;
            ((IPlotModel)plot).Update(true);
            ((IPlotModel)plot).Render(context, new OxyRect(0, top, width, height));
            if (plot.GetLastPlotException() is Exception exception)
                throw new InvalidOperationException("The picture cannot be drawn.", exception);     // OxyPlot only draws the message
            top += height;
        }
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
