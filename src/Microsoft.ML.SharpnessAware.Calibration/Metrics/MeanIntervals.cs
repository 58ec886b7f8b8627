using System.Runtime.Intrinsics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Intervals of the means over rows. Each row gets a random weight (Bayesian bootstrap, Rubin 1981), and one row more is counted: at the
/// lower end the best that could have come, at the upper end the worst. So errors that did not occur among few rows are allowed for; for a
/// share it is exactly Clopper and Pearson's interval (Gaffke 2005, "Three test statistics for a nonparametric one-sided hypothesis on the
/// mean of a nonnegative variable"; Learned-Miller and Thomas 2019, "A new confidence interval for the mean of a bounded random variable").
/// </summary>
/// <remarks>The rows of a cell are much alike; their weighted mean is drawn as normal, with their mean and variance.</remarks>
internal sealed class MeanIntervals
{
    private readonly long[] _count;
    private readonly Vector256<double>[] _mean;
    private readonly Vector256<double>[] _deviation;
    private readonly Vector256<double> _estimate;
    private readonly Vector256<double> _smallest;
    private readonly Vector256<double> _largest;
    private readonly BootstrapRandom _random;
    private readonly double[][] _lower;
    private readonly double[][] _upper;
    private int _resamples;

    /// <param name="cells">The rows.</param>
    /// <param name="smallest">The numbers of the row that is added at the lower end, in the order of <see cref="RowNumber"/>.</param>
    /// <param name="largest">Those of the row that is added at the upper end.</param>
    /// <param name="numberOfResamples">How many resamples will be drawn.</param>
    /// <param name="random">Draws.</param>
    public MeanIntervals(ReadOnlySpan<OutcomeCell> cells, Vector256<double> smallest, Vector256<double> largest, int numberOfResamples,
        BootstrapRandom random)
    {
        (_smallest, _largest, _random) = (smallest, largest, random);
        _count = new long[cells.Length];
        _mean = new Vector256<double>[cells.Length];
        _deviation = new Vector256<double>[cells.Length];
        _lower = [.. Enumerable.Range(0, Vector256<double>.Count).Select(_ => new double[numberOfResamples])];
        _upper = [.. Enumerable.Range(0, Vector256<double>.Count).Select(_ => new double[numberOfResamples])];
        for (int i = 0; i < cells.Length; i++)
        {
            double count = Math.Max(1, cells[i].Count);
            _count[i] = cells[i].Count;
            _mean[i] = cells[i].Sum / count;
            Vector256<double> variance = Vector256.Max(Vector256<double>.Zero, cells[i].SumOfSquares / count - _mean[i] * _mean[i]);
            _deviation[i] = Vector256.Sqrt(variance / (count + 1));
            _estimate += cells[i].Sum;
        }

        _estimate /= Math.Max(1, _count.Sum());
    }

    public void Draw()
    {
        Vector256<double> sum = default;
        double weights = 0;
        for (int i = 0; i < _count.Length; i++)
        {
            if (_count[i] == 0)
                continue;
            double weight = _random.NextGamma(_count[i]);
            sum += weight * (_mean[i] + _deviation[i] * NextNormals());
            weights += weight;
        }

        double ofOneMore = _random.NextGamma(1);
        Vector256<double> lower = (sum + ofOneMore * _smallest) / (weights + ofOneMore);
        Vector256<double> upper = (sum + ofOneMore * _largest) / (weights + ofOneMore);
        for (int number = 0; number < _lower.Length; number++)
            (_lower[number][_resamples], _upper[number][_resamples]) = (lower[number], upper[number]);
        _resamples++;
    }

    /// <summary>The interval of the number at <paramref name="index"/>.</summary>
    public ConfidenceInterval GetInterval(int index, double confidenceLevel) =>
        Percentile.Interval(_estimate[index], _lower[index], _upper[index], confidenceLevel);

    private Vector256<double> NextNormals()
        => Vector256.Create(_random.NextNormal(), _random.NextNormal(), _random.NextNormal(), _random.NextNormal());
}
