using OxyPlot;
using OxyPlot.Series;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The bars of a reliability diagram: the accuracy of each bin, and hatched the gap to its mean confidence.</summary>
internal sealed class ReliabilityBars
{
    private readonly HatchedBarSeries _accuracy;
    private readonly HatchedBarSeries _over;
    private readonly HatchedBarSeries _under;
    private readonly LineSeries _diagonal = FigureStyle.Line(LineStyle.Dash, OxyColors.Black, 1.8, (0, 0), (1, 1));

    /// <param name="bins">The bins; empty ones are left out.</param>
    /// <param name="faint">Whether the colours are those of bins that may be chance.</param>
    public ReliabilityBars(IEnumerable<ReliabilityBin> bins, bool faint = false)
    {
        _accuracy = Series(FigureStyle.Bar, FigureStyle.BarEdge, Hatch.None);
        _over = Series(FigureStyle.Overconfident, FigureStyle.OverconfidentEdge, Hatch.Rising);
        _under = Series(FigureStyle.Underconfident, FigureStyle.UnderconfidentEdge, Hatch.Falling);
        foreach (ReliabilityBin bin in bins.Where(bin => bin.Count > 0))
        {
            _accuracy.Bars.Add((bin.LowerBound, 0, bin.UpperBound, bin.Accuracy));
            (bin.Gap > 0 ? _over : _under).Bars.Add((bin.LowerBound, bin.Accuracy, bin.UpperBound, bin.MeanConfidence));
        }

        HatchedBarSeries Series(OxyColor fill, OxyColor stroke, Hatch hatch) => new()
        {
            Fill = faint ? FigureStyle.Faint(fill) : fill, Stroke = faint ? FigureStyle.Faint(stroke) : stroke, Hatch = hatch,
        };
    }

    /// <summary>The series with their texts in a legend.</summary>
    /// <param name="bars">What the bars are.</param>
    /// <param name="isBinary">Whether they are of a probability, which is too high or too low, and not of a confidence.</param>
    public IEnumerable<(Series Sign, string Text)> Legend(string bars, bool isBinary = false) =>
    [
        (_accuracy, bars), (_over, isBinary ? "too high" : "overconfident"), (_under, isBinary ? "too low" : "underconfident"),
        (_diagonal, "perfect calibration"),
    ];

    public void AddTo(PlotModel plot)
    {
        AddBarsTo(plot);
        plot.Series.Add(_diagonal);
    }

    public void AddBarsTo(PlotModel plot)
    {
        plot.Series.Add(_accuracy);
        plot.Series.Add(_over);
        plot.Series.Add(_under);
    }
}
