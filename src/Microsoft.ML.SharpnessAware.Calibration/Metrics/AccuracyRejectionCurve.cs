namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What accuracy a model reaches when predictions of low confidence are rejected (left to a person, say): accuracy as a function of the
/// coverage, the share of rows that are accepted. It rises towards small coverage if the confidence tells right predictions from wrong
/// ones. Calibration in the sense of the ECE does not matter for it: only the order of the confidences does.
/// </summary>
/// <remarks>Rows of equal confidence are accepted or rejected together. El-Yaniv and Wiener 2010, "On the foundations of noise-free
/// selective classification"; Nadeem et al. 2009, "Accuracy-rejection curves".</remarks>
public sealed class AccuracyRejectionCurve
{
    // Of all thresholds those whose accuracy no wider one has, the widest first: accuracy rises along them.
    private readonly AccuracyRejectionPoint[] _widest;

    internal AccuracyRejectionCurve(IReadOnlyList<AccuracyRejectionPoint> points, AccuracyRejectionPoint[] widest,
        double areaUnderRiskCoverageCurve, double smallestArea)
    {
        Points = points;
        _widest = widest;
        AreaUnderRiskCoverageCurve = areaUnderRiskCoverageCurve;
        ExcessAreaUnderRiskCoverageCurve = areaUnderRiskCoverageCurve - smallestArea;
    }

    /// <summary>The most points that a curve has.</summary>
    internal const int MaximumNumberOfPoints = 1000;

    /// <summary>
    /// The curve in ascending order of coverage; the last point accepts every row. One point for each different confidence; where there
    /// are more than 1,000 of them, those next above every 1/1000 of the rows.
    /// </summary>
    public IReadOnlyList<AccuracyRejectionPoint> Points { get; }

    /// <summary>
    /// AURC: the mean over all rows of the risk (1 − accuracy) of the points at which each is the last to be accepted, the area under risk
    /// against coverage. Range [0, 1], lower is better. It depends on the accuracy as well as on the order. Geifman et al. 2019,
    /// "Bias-reduced uncertainty estimation for deep neural classifiers".
    /// </summary>
    public double AreaUnderRiskCoverageCurve { get; }

    /// <summary>
    /// E-AURC: <see cref="AreaUnderRiskCoverageCurve"/> minus the area of the best order of the same predictions, all right ones before
    /// all wrong ones. Range [0, 1], 0 where the confidence separates right from wrong entirely. Geifman et al. 2019 use the limit r + (1 −
    /// r)·ln(1 − r) of the best area for many rows, r being the risk at full coverage; here it is exact for N rows, so never below 0.
    /// </summary>
    public double ExcessAreaUnderRiskCoverageCurve { get; }

    /// <summary>The largest coverage at which the accuracy is at least the wished one. Exact: every confidence is tried as a threshold, not
    /// only those of the <see cref="Points"/>.</summary>
    /// <param name="accuracy">The wished accuracy, in [0, 1].</param>
    /// <returns>The coverage, in (0, 1]; 0 where no threshold gives this accuracy.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="accuracy"/> is not in [0, 1].</exception>
    /// <remarks>The accuracy is the one measured on these rows. A threshold that was chosen on them looks better than it is, so choose it
    /// on validation rows.</remarks>
    public double CoverageAt(double accuracy) => WidestPoint(accuracy)?.Coverage ?? 0;

    /// <summary>The confidence from which on predictions are to be accepted for the wished accuracy, at the coverage <see
    /// cref="CoverageAt"/>.</summary>
    /// <param name="accuracy">The wished accuracy, in [0, 1].</param>
    /// <returns>The smallest confidence to accept; +∞, which accepts nothing, where no threshold gives this
    /// accuracy.</returns>
    /// <remarks>Accept confidences of at least this. Chosen on these rows, it looks better on them than it is. <see
    /// cref="AbstentionTransformer.Threshold"/>, which comes with a promise, accepts those above it.</remarks>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="accuracy"/> is not in [0, 1].</exception>
    public double ThresholdAt(double accuracy) => WidestPoint(accuracy)?.Threshold ?? double.PositiveInfinity;

    private AccuracyRejectionPoint? WidestPoint(double accuracy)
    {
        if (!(accuracy is >= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(accuracy), accuracy, "The accuracy must lie in [0, 1].");
        int low = 0;
        int high = _widest.Length;
        while (low < high)
        {
            int middle = low + (high - low) / 2;
            if (_widest[middle].Accuracy >= accuracy)
                high = middle;
            else
                low = middle + 1;
        }

        return low < _widest.Length ? _widest[low] : null;
    }
}
