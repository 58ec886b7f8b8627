using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What clusters add to the chance in the gaps of the bins. Rows of one cluster err together, so the gaps vary more than rows that are
/// independent let them: by the design effect (Rao and Scott 1992, "A simple method for the analysis of clustered binary data"). That
/// much is drawn by random weights of whole clusters (Field and Welsh 2007), so that bins that err together do so in the draws.
/// </summary>
internal sealed class ClusterGaps
{
    private readonly int _units;
    private readonly int _bins;
    private readonly double _share;
    private readonly double[] _residuals;       // [units × bins]: what a unit's gap is above its rows' part of the bin's
    private readonly double[] _drawn;

    /// <param name="units">What is drawn.</param>
    /// <param name="bins">The bin of each row.</param>
    /// <param name="gaps">confidence − right of each row.</param>
    /// <param name="numberOfBins">How many bins there are.</param>
    public ClusterGaps(ClusterUnits units, int[] bins, double[] gaps, int numberOfBins)
    {
        (_units, _bins) = (units.Count, numberOfBins);
        _residuals = new double[_units * numberOfBins];
        _drawn = new double[numberOfBins];
        double[] sums = new double[numberOfBins], squares = new double[numberOfBins], rows = new double[numberOfBins];
        for (int row = 0; row < bins.Length; row++)
        {
            sums[bins[row]] += gaps[row];
            squares[bins[row]] += gaps[row] * gaps[row];
            rows[bins[row]]++;
        }

        for (int row = 0; row < bins.Length; row++)
            _residuals[units.OfRow[row] * numberOfBins + bins[row]] += gaps[row] - sums[bins[row]] / rows[bins[row]];
        double ofRows = 0, ofClusters = 0, ofTotals = 0;
        for (int bin = 0; bin < numberOfBins; bin++)
            ofRows += rows[bin] > 0 ? Math.Max(0, squares[bin] - sums[bin] * sums[bin] / rows[bin]) : 0;
        for (int unit = 0; unit < _units; unit++)
        {
            ReadOnlySpan<double> ofUnit = _residuals.AsSpan(unit * numberOfBins, numberOfBins);
            ofClusters += TensorPrimitives.SumOfSquares(ofUnit);
            ofTotals += Math.Pow(TensorPrimitives.Sum(ofUnit), 2);
        }

        double spread = units.Spread * units.Spread;
        DesignEffect = ofRows > 0 ? Math.Max(1, spread * ofClusters / ofRows) : 1;
        TotalEffect = ofRows > 0 ? Math.Max(1, spread * ofTotals / ofRows) : 1;
        _share = units.Spread * Math.Sqrt(1 - 1 / DesignEffect);
    }

    /// <summary>How many times larger the variance of a gap is than that of independent rows; at least 1.</summary>
    public double DesignEffect { get; }

    /// <summary>The same of the sum of all gaps.</summary>
    public double TotalEffect { get; }

    /// <summary>What is to be added to the gaps of each bin, on top of what is drawn for independent rows.</summary>
    public ReadOnlySpan<double> Draw(BootstrapRandom random)
    {
        Array.Clear(_drawn);
        if (_share == 0)
            return _drawn;
        for (int unit = 0; unit < _units; unit++)
            TensorPrimitives.MultiplyAdd(
                _residuals.AsSpan(unit * _bins, _bins), _share * (random.NextGamma(1) - 1), _drawn, _drawn);
        return _drawn;
    }
}
