using OxyPlot;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A line of text in a figure, shortened with an ellipsis where it is too long. OxyPlot's own titles would read "a_{b}" as a subscript.
/// </summary>
internal sealed class FigureText(string text, double x, double y, double maximumWidth) : IFigurePart
{
    public double Size { get; init; } = FigureStyle.TextSize;

    public OxyColor Color { get; init; } = OxyColors.Black;

    public double Rotation { get; init; }

    public void Render(IRenderContext context)
        => context.DrawText(new ScreenPoint(x, y), Fit(text, Size, maximumWidth), Color, FigureRenderContext.FontFamilies, Size,
            FontWeights.Normal, Rotation, HorizontalAlignment.Center, VerticalAlignment.Middle);

    /// <summary>The text in one line, shortened to what fits.</summary>
    public static string Fit(string text, double size, double maximumWidth)
    {
        string line = PrintableText.Of(text);
        if (FigureRenderContext.WidthOf(line, size) <= maximumWidth)
            return line;

        int[] ends = System.Globalization.StringInfo.ParseCombiningCharacters(line);    // where letters start, so none is cut
        (int low, int high) = (0, ends.Length - 1);
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (FigureRenderContext.WidthOf(Shortened(ends[middle]), size) <= maximumWidth)
                low = middle;
            else
                high = middle - 1;
        }

        return Shortened(ends[low]);

        string Shortened(int length) => line[..length].TrimEnd() + "…";
    }
}
