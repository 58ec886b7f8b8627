namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The interval of a calibration error, a norm of the bins' gaps, by test inversion; <see cref="CalibrationIntervals"/> has the reasons.
/// With G_b = Σ (confidence − right) over the rows of bin b and η_b its change in a resample, the error of true gaps t·g is measured as
/// ‖t·g + η‖. For each resample the t is sought at which that equals the measured error ‖G‖; the percentiles of t·‖g‖ are the ends of the
/// interval.
/// </summary>
internal sealed class GapErrorInterval
{
    // Gaps below so many standard errors are taken as chance at the lower end.
    private const double Significance = 2;
    private const int MaximumIterations = 100;
    private const double RelativeTolerance = 1e-12;

    private readonly bool _squared;
    private readonly double _rows;
    private readonly double[] _gaps;
    private readonly double[] _weights;
    private readonly double[] _upperDirection;
    private readonly double[] _lowerDirection;
    private readonly double[] _changes;
    private readonly double[] _resampledWeights;
    private readonly double _error;
    private readonly double _upperError;
    private readonly double[] _lower;
    private readonly double[] _upper;
    private int _resamples;

    /// <param name="cells">The wrong and the right rows of each bin.</param>
    /// <param name="squared">Whether the error is the root mean square one, not the expected one.</param>
    /// <param name="numberOfResamples">How many resamples will be added.</param>
    public GapErrorInterval(ReadOnlySpan<OutcomeCell> cells, bool squared, int numberOfResamples)
    {
        int bins = cells.Length / 2;
        _squared = squared;
        _gaps = new double[bins];
        _weights = new double[bins];
        _upperDirection = new double[bins];
        _lowerDirection = new double[bins];
        _changes = new double[bins];
        _resampledWeights = new double[bins];
        _lower = new double[numberOfResamples];
        _upper = new double[numberOfResamples];

        double[] deviations = new double[bins];
        foreach (ref readonly OutcomeCell cell in cells)
            _rows += cell.Count;
        for (int bin = 0; bin < bins; bin++)
        {
            (double gap, double variance) = Gap(cells.Slice(2 * bin, 2));
            _gaps[bin] = gap;
            _weights[bin] = cells[2 * bin].Count + cells[2 * bin + 1].Count;
            deviations[bin] = Math.Sqrt(variance);
            double signal = gap * gap - Significance * Significance * variance;
            _lowerDirection[bin] = signal > 0 ? Math.CopySign(Math.Sqrt(signal), gap) : 0;
        }

        // Without any gap the direction in which one would show first is that of the chance gaps. An error below what they make on average
        // is luck, which must not make the interval narrower (in the extreme it would have no upper end).
        _error = Norm(_gaps, _weights);
        _upperError = Math.Max(_error, squared ? Norm(deviations, _weights) : Norm(deviations, _weights) * Math.Sqrt(2 / Math.PI));
        _upperDirection = _error > 0 ? _gaps : deviations;
        if (Norm(_lowerDirection, _weights) == 0)
            _lowerDirection = _upperDirection;
    }

    public void Add(CellResampler resample)
    {
        for (int bin = 0; bin < _gaps.Length; bin++)
        {
            double gap = resample.Sums[2 * bin][RowNumber.Confidence] + resample.Sums[2 * bin + 1][RowNumber.Confidence]
                - resample.Counts[2 * bin + 1];
            _changes[bin] = gap - _gaps[bin];
            _resampledWeights[bin] = resample.Counts[2 * bin] + resample.Counts[2 * bin + 1];
        }

        _upper[_resamples] = Size(_upperDirection, _upperError);
        _lower[_resamples] = Norm(_changes, _resampledWeights) >= _error ? 0 : Size(_lowerDirection, _error);
        _resamples++;
    }

    public ConfidenceInterval GetInterval(double confidenceLevel)
    {
        double tail = (1 - confidenceLevel) / 2;
        Array.Sort(_lower);
        Array.Sort(_upper);
        return new ConfidenceInterval(
            _error, Math.Min(1, Percentile.Of(_lower, tail)), Math.Min(1, Percentile.Of(_upper, 1 - tail)));
    }

    /// <summary>G_b, and the variance of its value in a resample.</summary>
    private (double Gap, double Variance) Gap(ReadOnlySpan<OutcomeCell> wrongAndRight)
    {
        ref readonly OutcomeCell wrong = ref wrongAndRight[0];
        ref readonly OutcomeCell right = ref wrongAndRight[1];
        double gap = wrong.Sum[RowNumber.Confidence] + right.Sum[RowNumber.Confidence] - right.Count;
        double squares = wrong.SumOfSquares[RowNumber.Confidence] + right.SumOfSquares[RowNumber.Confidence]
            - 2 * right.Sum[RowNumber.Confidence] + right.Count;
        return (gap, Math.Max(0, squares - gap * gap / _rows));
    }

    /// <summary>
    /// t·‖g‖ for the largest t ≥ 0 with ‖t·g + η‖ = error, and 0 if there is none. The left side is convex in t, so Newton's method from
    /// the right never overshoots.
    /// </summary>
    private double Size(double[] direction, double error)
    {
        double unit = Norm(direction, _resampledWeights);
        if (unit == 0)
            return 0;
        double t = (error + Norm(_changes, _resampledWeights)) / unit;
        for (int iteration = 0; iteration < MaximumIterations; iteration++)
        {
            (double value, double slope) = ValueAndSlope(direction, t);
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

        return t * Norm(direction, _weights);
    }

    private double Norm(double[] gaps, double[] weights)
    {
        double norm = 0;
        for (int bin = 0; bin < gaps.Length; bin++)
            norm += !_squared ? Math.Abs(gaps[bin]) : weights[bin] > 0 ? gaps[bin] * gaps[bin] / weights[bin] : 0;
        return _squared ? Math.Sqrt(norm / _rows) : norm / _rows;
    }

    private (double Value, double Slope) ValueAndSlope(double[] direction, double t)
    {
        double value = 0;
        double slope = 0;
        for (int bin = 0; bin < direction.Length; bin++)
        {
            double gap = t * direction[bin] + _changes[bin];
            if (!_squared)
            {
                value += Math.Abs(gap);
                slope += Math.Sign(gap) * direction[bin];
            }
            else if (_resampledWeights[bin] > 0)
            {
                value += gap * gap / _resampledWeights[bin];
                slope += gap * direction[bin] / _resampledWeights[bin];
            }
        }

        if (!_squared)
            return (value / _rows, slope / _rows);
        value = Math.Sqrt(value / _rows);
        return (value, slope / _rows / value);
    }
}
