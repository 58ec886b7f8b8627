using OxyPlot;
using OxyPlot.Series;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The signs of a figure and what they stand for, in centred rows; with several rows the signs stand below one another.</summary>
internal sealed class FigureLegend : IFigurePart
{
    private const double RowHeight = 22;
    private const double SymbolGap = 7;
    private const double ItemGap = 18;

    private readonly IReadOnlyList<(Series Sign, string Text)> _items;
    private readonly double _center;
    private readonly double _top;
    private readonly double _symbolWidth;
    private readonly double[] _columnWidths;

    /// <param name="items">The series whose signs are shown, each with its text.</param>
    /// <param name="center">The middle of the rows.</param>
    /// <param name="top">The top of the first row.</param>
    /// <param name="width">The most that a row may take; longer texts are shortened.</param>
    /// <param name="symbolWidth">The width of a sign; dashed lines with markers need more than bars.</param>
    public FigureLegend(IEnumerable<(Series Sign, string Text)> items, double center, double top, double width, double symbolWidth = 24)
    {
        _symbolWidth = symbolWidth;
        double longest = width - symbolWidth - SymbolGap;
        _items = [.. items.Select(item => (item.Sign, FigureText.Fit(item.Text, FigureStyle.TextSize, longest)))];
        (_center, _top) = (center, top);
        int columns = _items.Count;
        while (columns > 1 && ColumnWidths(columns).Sum() + (columns - 1) * ItemGap > width)
            columns--;
        int rows = (_items.Count + columns - 1) / columns;
        _columnWidths = ColumnWidths((_items.Count + rows - 1) / rows);     // evenly filled rows
    }

    public double Height => RowHeight * ((_items.Count + _columnWidths.Length - 1) / _columnWidths.Length);

    public void Render(IRenderContext context)
    {
        double left = _center - (_columnWidths.Sum() + (_columnWidths.Length - 1) * ItemGap) / 2;
        for (int i = 0; i < _items.Count; i++)
        {
            int column = i % _columnWidths.Length;
            double x = left + _columnWidths.Take(column).Sum() + column * ItemGap;
            double top = _top + i / _columnWidths.Length * RowHeight;
            _items[i].Sign.RenderLegend(context, new OxyRect(x, top + 3, _symbolWidth, RowHeight - 6));
            context.DrawText(new ScreenPoint(x + _symbolWidth + SymbolGap, top + RowHeight / 2), _items[i].Text, OxyColors.Black,
                FigureRenderContext.FontFamilies, FigureStyle.TextSize, FontWeights.Normal, 0, HorizontalAlignment.Left,
                VerticalAlignment.Middle);
        }
    }

    private double[] ColumnWidths(int columns) => [.. Enumerable.Range(0, columns).Select(column =>
        _symbolWidth + SymbolGap + _items.Where((_, i) => i % columns == column).Select(WidthOf).DefaultIfEmpty().Max())];

    private static double WidthOf((Series Sign, string Text) item) => FigureRenderContext.WidthOf(item.Text, FigureStyle.TextSize);
}
