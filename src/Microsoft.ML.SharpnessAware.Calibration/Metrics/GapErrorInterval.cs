namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The interval of a calibration error, a norm of the bins' gaps, by test inversion; <see cref="CalibrationIntervals"/> has the reasons.
/// With G_b = Σ (confidence − right) over the rows of bin b and η_b its change in a resample, the error of true gaps t·g is measured as
/// ‖t·g + η‖. For each resample the t is sought at which that equals the measured error ‖G‖; the percentiles of t·‖g‖ are the ends of the
/// interval.
/// </summary>
internal sealed class GapErrorInterval
{
    private const int MaximumIterations = 100;
    private const double RelativeTolerance = 1e-12;

    private readonly bool _squared;
    private readonly GapResampler _resampler;
    private readonly double _rows;
    private readonly double[] _upperDirection;
    private readonly double[] _lowerDirection;
    private readonly double _error;
    private readonly double _upperError;
    private readonly double[] _chance;
    private readonly double[] _lower;
    private readonly double[] _upper;
    private int _resamples;

    /// <param name="resampler">The gaps, and what chance does to them.</param>
    /// <param name="squared">Whether the error is the root mean square one, not the expected one.</param>
    /// <param name="numberOfResamples">How many resamples will be added.</param>
    public GapErrorInterval(GapResampler resampler, bool squared, int numberOfResamples)
    {
        _squared = squared;
        _resampler = resampler;
        _rows = resampler.Weights.Sum();
        _chance = new double[numberOfResamples];
        _lower = new double[numberOfResamples];
        _upper = new double[numberOfResamples];

        // Without any gap the direction in which one would show first is that of the chance gaps. An error below what they make on average
        // is luck, which must not make the interval narrower (in the extreme it would have no upper end).
        double[] weights = resampler.Weights;
        _error = Norm(resampler.Gaps, weights);
        _upperError = Math.Max(_error, Norm(resampler.Deviations, weights) * (squared ? 1 : Math.Sqrt(2 / Math.PI)));
        _upperDirection = _error > 0 ? resampler.UpperDirection : resampler.Deviations;
        _lowerDirection = Norm(resampler.LowerDirection, weights) > 0 ? resampler.LowerDirection : resampler.Gaps;
    }

    /// <summary>Adds the resampler's last draw.</summary>
    public void Add()
    {
        _upper[_resamples] = Size(_upperDirection, _resampler.AtUpperEnd, _upperError);
        _lower[_resamples] = Size(_lowerDirection, _resampler.AtLowerEnd, _error);
        _chance[_resamples] = Norm(_resampler.IfCalibrated, _resampler.Weights);
        _resamples++;
    }

    public ConfidenceInterval GetInterval(double confidenceLevel)
    {
        double tail = (1 - confidenceLevel) / 2;
        Array.Sort(_chance);
        Array.Sort(_lower);
        Array.Sort(_upper);
        double ofChance = Percentile.Of(_chance, 1 - tail);
        bool mayBeChance = _error <= ofChance * (1 + RelativeTolerance);
        // Where the test says that it is not chance and the percentile is 0, by draws of their own, the end is the least that is above.
        double lower = mayBeChance ? 0 : Percentile.Of(_lower, tail) is > 0 and double least ? least : Array.Find(_lower, size => size > 0);
        return new ConfidenceInterval(_error, Math.Min(1, lower), Math.Min(1, Math.Max(lower, Percentile.Of(_upper, 1 - tail))));
    }

    /// <summary>
    /// t·‖g‖ for the largest t ≥ 0 with ‖t·g + η‖ = error, and 0 if there is none. The left side is convex in t, so Newton's method from
    /// the right never overshoots.
    /// </summary>
    private double Size(double[] direction, double[] changes, double error)
    {
        double unit = Norm(direction, _resampler.DrawnWeights);
        if (unit == 0)
            return 0;
        double t = (error + Norm(changes, _resampler.DrawnWeights)) / unit;
        for (int iteration = 0; iteration < MaximumIterations; iteration++)
        {
            (double value, double slope) = ValueAndSlope(direction, changes, t);
            if (value - error <= RelativeTolerance * error)
                break;
            if (slope <= 0)
                return 0;
            double next = t - (value - error) / slope;
            if (next >= t)
                break;
            if (next <= 0)
                return 0;
            t = next;
        }

        return t * Norm(direction, _resampler.Weights);
    }

    private double Norm(double[] gaps, double[] weights)
    {
        double norm = 0;
        for (int bin = 0; bin < gaps.Length; bin++)
            norm += !_squared ? Math.Abs(gaps[bin]) : weights[bin] > 0 ? gaps[bin] * gaps[bin] / weights[bin] : 0;
        return _squared ? Math.Sqrt(norm / _rows) : norm / _rows;
    }

    private (double Value, double Slope) ValueAndSlope(double[] direction, double[] changes, double t)
    {
        double[] weights = _resampler.DrawnWeights;
        double value = 0;
        double slope = 0;
        for (int bin = 0; bin < direction.Length; bin++)
        {
            double gap = t * direction[bin] + changes[bin];
            if (!_squared)
            {
                value += Math.Abs(gap);
                slope += Math.Sign(gap) * direction[bin];
            }
            else if (weights[bin] > 0)
            {
                value += gap * gap / weights[bin];
                slope += gap * direction[bin] / weights[bin];
            }
        }

        if (!_squared)
            return (value / _rows, slope / _rows);
        value = Math.Sqrt(value / _rows);
        return (value, slope / _rows / value);
    }
}
