using System.Runtime.Intrinsics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>As <see cref="MeanIntervals"/>, where rows belong together: clusters get the random weights, and one cluster more, as large as
/// they are on average, is counted.</summary>
internal sealed class ClusterMeans
{
    /// <summary>Where the share of right rows lies, after the numbers of <see cref="RowNumber"/>.</summary>
    public const int Accuracy = 4;

    private readonly Vector256<double>[] _sums;
    private readonly double[] _right;
    private readonly double[] _rows;
    private readonly double _rowsOfOne;
    private readonly Vector256<double> _smallest;
    private readonly Vector256<double> _largest;
    private readonly BootstrapRandom _random;
    private readonly double[][] _lower;
    private readonly double[][] _upper;
    private int _resamples;

    /// <param name="units">What is drawn.</param>
    /// <param name="measured">The rows.</param>
    /// <param name="smallest">The numbers of the rows of the cluster that is added at the lower end.</param>
    /// <param name="largest">Those at the upper end.</param>
    /// <param name="numberOfResamples">How many resamples will be drawn.</param>
    /// <param name="random">Draws.</param>
    public ClusterMeans(ClusterUnits units, MeasuredOutcomes measured, Vector256<double> smallest, Vector256<double> largest,
        int numberOfResamples, BootstrapRandom random)
    {
        (_smallest, _largest, _random) = (smallest, largest, random);
        (_sums, _right, _rows) = (new Vector256<double>[units.Count], new double[units.Count], new double[units.Count]);
        _rowsOfOne = measured.Count / (double)units.NumberOfClusters;
        _lower = [.. Enumerable.Range(0, Accuracy + 1).Select(_ => new double[numberOfResamples])];
        _upper = [.. Enumerable.Range(0, Accuracy + 1).Select(_ => new double[numberOfResamples])];
        for (int row = 0; row < units.OfRow.Length; row++)
        {
            (float confidence, bool correct, double logLoss, double brierScore) = measured.Row(row);
            int unit = units.OfRow[row];
            _sums[unit] += OutcomeCell.Row(confidence, logLoss, brierScore, measured.Entropies[row]);
            _right[unit] += correct ? 1 : 0;
            _rows[unit]++;
        }
    }

    public void Draw()
    {
        Vector256<double> sum = default;
        double right = 0, rows = 0;
        for (int unit = 0; unit < _rows.Length; unit++)
        {
            double weight = _random.NextGamma(1);
            sum += weight * _sums[unit];
            right += weight * _right[unit];
            rows += weight * _rows[unit];
        }

        double more = _rowsOfOne * _random.NextGamma(1), all = rows + more;
        Vector256<double> lower = (sum + more * _smallest) / all, upper = (sum + more * _largest) / all;
        for (int number = 0; number < Accuracy; number++)
            (_lower[number][_resamples], _upper[number][_resamples]) = (lower[number], upper[number]);
        (_lower[Accuracy][_resamples], _upper[Accuracy][_resamples]) = (right / all, (right + more) / all);
        _resamples++;
    }

    /// <summary>The interval of the number at <paramref name="index"/>.</summary>
    public ConfidenceInterval GetInterval(int index, double confidenceLevel)
    {
        double rows = _rows.Sum();
        double estimate = index == Accuracy ? _right.Sum() / rows : _sums.Sum(sum => sum[index]) / rows;
        return Percentile.Interval(estimate, _lower[index], _upper[index], confidenceLevel);
    }
}
