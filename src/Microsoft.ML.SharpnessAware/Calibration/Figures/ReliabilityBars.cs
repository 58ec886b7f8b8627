using OxyPlot;
using OxyPlot.Series;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The bars of a reliability diagram: the accuracy of each bin, and hatched the gap to its mean confidence.</summary>
internal sealed class ReliabilityBars
{
    private readonly HatchedBarSeries _accuracy = new() { Fill = FigureStyle.Bar, Stroke = FigureStyle.BarEdge };
    private readonly HatchedBarSeries _over = new()
    {
        Fill = FigureStyle.Overconfident, Stroke = FigureStyle.OverconfidentEdge, Hatch = Hatch.Rising,
    };

    private readonly HatchedBarSeries _under = new()
    {
        Fill = FigureStyle.Underconfident, Stroke = FigureStyle.UnderconfidentEdge, Hatch = Hatch.Falling,
    };

    private readonly LineSeries _diagonal = FigureStyle.Line(LineStyle.Dash, OxyColors.Black, 1.8, (0, 0), (1, 1));

    /// <param name="bins">The bins; empty ones are left out.</param>
    public ReliabilityBars(IEnumerable<ReliabilityBin> bins)
    {
        foreach (ReliabilityBin bin in bins.Where(bin => bin.Count > 0))
        {
            _accuracy.Bars.Add((bin.LowerBound, 0, bin.UpperBound, bin.Accuracy));
            (bin.Gap > 0 ? _over : _under).Bars.Add((bin.LowerBound, bin.Accuracy, bin.UpperBound, bin.MeanConfidence));
        }
    }

    /// <summary>The series with their texts in a legend.</summary>
    public IEnumerable<(Series Sign, string Text)> Legend =>
        [(_accuracy, "accuracy"), (_over, "overconfident"), (_under, "underconfident"), (_diagonal, "perfect calibration")];

    public void AddTo(PlotModel plot)
    {
        plot.Series.Add(_accuracy);
        plot.Series.Add(_over);
        plot.Series.Add(_under);
        plot.Series.Add(_diagonal);
    }
}
