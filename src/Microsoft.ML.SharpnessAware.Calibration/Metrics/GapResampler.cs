namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Draws what chance does to the gaps of the bins. With G_b = Σ (confidence − right) over the n_b rows of bin b, a draw is the change of
/// G_b if other rows of the same kind had been measured, under three assumptions on how often the rows of a bin are right.
/// </summary>
/// <remarks>
/// The rows are not drawn from those that were measured: a bin in which all were right would then never show an error, however likely one
/// is. Outcomes are drawn from a probability instead.
/// </remarks>
internal sealed class GapResampler
{
    // Gaps below so many standard deviations are taken as chance at the lower end.
    private const double Significance = 2;

    private readonly long _rows;
    private readonly long[] _counts;
    private readonly long[] _right;
    private readonly long[] _errorTrials;
    private readonly double[] _errorProbability;
    private readonly double[] _chanceVariance;
    private readonly double[] _lowerAccuracy;
    private readonly bool _isJointSignal;
    private readonly BootstrapRandom _random;
    private readonly ClusterGaps? _clusters;

    /// <param name="cells">The wrong and the right rows of each bin.</param>
    /// <param name="random">Draws.</param>
    /// <param name="clusters">What clusters of rows add; null where rows are independent.</param>
    public GapResampler(ReadOnlySpan<OutcomeCell> cells, BootstrapRandom random, ClusterGaps? clusters = null)
    {
        int bins = cells.Length / 2;
        (_random, _clusters) = (random, clusters);
        _counts = new long[bins];
        _right = new long[bins];
        _errorTrials = new long[bins];
        _errorProbability = new double[bins];
        _chanceVariance = new double[bins];
        _lowerAccuracy = new double[bins];
        (Gaps, Weights, Deviations, LowerDirection, UpperDirection) =
            (new double[bins], new double[bins], new double[bins], new double[bins], new double[bins]);
        (IfCalibrated, AtLowerEnd, AtUpperEnd, DrawnWeights) = (new double[bins], new double[bins], new double[bins], new double[bins]);
        for (int bin = 0; bin < bins; bin++)
        {
            ref readonly OutcomeCell wrong = ref cells[2 * bin];
            ref readonly OutcomeCell right = ref cells[2 * bin + 1];
            long count = wrong.Count + right.Count;
            (_counts[bin], _right[bin], Weights[bin]) = (count, right.Count, count);
            _rows += count;
            if (count > 0)
                SetBin(bin, wrong.Sum[RowNumber.Confidence] + right.Sum[RowNumber.Confidence],
                    wrong.SumOfSquares[RowNumber.Confidence] + right.SumOfSquares[RowNumber.Confidence]);
        }

        // Where no bin has a gap for certain, all together may have one.
        double joint = Signal(Gaps.Sum(), _chanceVariance.Sum() * (clusters is null ? 1 : clusters.TotalEffect / clusters.DesignEffect));
        _isJointSignal = Math.Abs(joint) > LowerDirection.Sum(Math.Abs) * (1 + 1e-9);
        for (int bin = 0; bin < bins; bin++)
        {
            if (_isJointSignal)
                LowerDirection[bin] = joint * _counts[bin] / _rows;
            if (_counts[bin] > 0)
                _lowerAccuracy[bin] = Math.Clamp((_right[bin] + Gaps[bin] - LowerDirection[bin]) / _counts[bin], 0, 1);
        }
    }

    /// <summary>G_b.</summary>
    public double[] Gaps { get; }

    /// <summary>n_b.</summary>
    public double[] Weights { get; }

    /// <summary>The standard deviations of the gaps.</summary>
    public double[] Deviations { get; }

    /// <summary>What of the gaps is more than chance: of each bin, or of all together. All 0 if there is nothing.</summary>
    public double[] LowerDirection { get; }

    /// <summary>The gaps; where their signs are chance, that of too much confidence, since rare errors are what few rows do not
    /// show.</summary>
    public double[] UpperDirection { get; }

    /// <summary>The changes if the rows are right as often as their confidences say.</summary>
    public double[] IfCalibrated { get; }

    /// <summary>The changes if no more than <see cref="LowerDirection"/> is there.</summary>
    public double[] AtLowerEnd { get; }

    /// <summary>The changes if the rows are right about as often as they were: with a probability from the posterior of the bin, after one
    /// right and one wrong row more, of which each bin has a share.</summary>
    public double[] AtUpperEnd { get; }

    /// <summary>The numbers of rows in the bins that go with <see cref="AtLowerEnd"/> and <see cref="AtUpperEnd"/>.</summary>
    public double[] DrawnWeights { get; }

    public void Draw()
    {
        long rowsLeft = _rows;          // of the draw
        long sourceLeft = _rows;        // of the rows that were measured
        for (int bin = 0; bin < _counts.Length; bin++)
        {
            long count = _counts[bin];
            if (count == 0)
                continue;
            long drawn = count == sourceLeft ? rowsLeft : _random.NextBinomial(rowsLeft, count / (double)sourceLeft);
            rowsLeft -= drawn;
            sourceLeft -= count;
            DrawnWeights[bin] = drawn;
            IfCalibrated[bin] = _random.NextBinomial(_errorTrials[bin],
                _errorProbability[bin]) - _errorTrials[bin] * _errorProbability[bin];

            double moreRows = (drawn - count) * Gaps[bin] / count;
            double right = _right[bin], wrong = count - right;
            double ofOneMore = count / (double)_rows;
            AtUpperEnd[bin] = moreRows + count * Share(right + ofOneMore, wrong + ofOneMore) - right;
            AtLowerEnd[bin] = moreRows + (_isJointSignal || LowerDirection[bin] == 0 ? Chance(drawn, _lowerAccuracy[bin])
                : count * (Gaps[bin] > 0 ? Share(right + 1, wrong) : Share(right, wrong + 1)) - right);      // as Clopper and Pearson do
        }

        if (_clusters is not null)
            AddClusters(_clusters.Draw(_random));
    }

    private void AddClusters(ReadOnlySpan<double> more)
    {
        for (int bin = 0; bin < more.Length; bin++)
        {
            IfCalibrated[bin] += more[bin];
            AtLowerEnd[bin] += more[bin];
            AtUpperEnd[bin] += more[bin];
        }
    }

    /// <summary>A beta number.</summary>
    private double Share(double right, double wrong)
    {
        double weight = _random.NextGamma(right);
        return weight / (weight + _random.NextGamma(wrong));
    }

    private static double Signal(double gap, double variance) =>
        Math.CopySign(Math.Sqrt(Math.Max(0, gap * gap - Significance * Significance * variance)), gap);

    private double Chance(long rows, double accuracy) => rows * accuracy - _random.NextBinomial(rows, accuracy);

    private void SetBin(int bin, double confidences, double squares)
    {
        double count = _counts[bin];
        Gaps[bin] = confidences - _right[bin];

        // The number of errors of a calibrated model is a sum of Bernoulli numbers, one for each 1 − c. A binomial number of the same mean
        // and variance stands for it; where the confidences are equal, it is exact.
        double errors = Math.Max(0, count - confidences);
        double errorSquares = Math.Max(0, count - 2 * confidences + squares);
        double trials = errors == 0 ? 0 : Math.Clamp(Math.Round(errors * errors / Math.Max(errorSquares, double.Epsilon)),
            Math.Ceiling(errors), count);
        _errorTrials[bin] = (long)trials;
        _errorProbability[bin] = trials == 0 ? 0 : Math.Min(1, errors / trials);

        double effect = _clusters?.DesignEffect ?? 1;
        _chanceVariance[bin] = effect * Math.Max(0, errors - errorSquares);
        double accuracy = (_right[bin] + 0.5) / (count + 1);
        Deviations[bin] = Math.Sqrt(Math.Max(_chanceVariance[bin], effect * count * accuracy * (1 - accuracy)));
        LowerDirection[bin] = Signal(Gaps[bin], _chanceVariance[bin]);
        UpperDirection[bin] = LowerDirection[bin] == 0 ? Math.Abs(Gaps[bin]) : Gaps[bin];
    }
}
