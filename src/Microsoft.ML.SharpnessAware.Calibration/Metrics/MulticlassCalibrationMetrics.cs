using System.Globalization;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// How well a multiclass model's probabilities match what happened. The confidence c of a row is its largest probability, the predicted
/// class is where that is (the lowest index on ties), and N is the number of rows. From <see
/// cref="MulticlassClassificationCatalog"/>.<c>EvaluateCalibration</c> or <see cref="CalibrationMetrics.Compute"/>.
/// </summary>
/// <remarks>
/// Calibration errors are estimates with a bias: on few rows even a perfectly calibrated model shows an ECE above 0. Compare them on the
/// same number of rows and bins. <see cref="LogLoss"/> and <see cref="BrierScore"/> have no bins; they reward accuracy and calibration
/// together.
/// </remarks>
public sealed class MulticlassCalibrationMetrics
{
    private readonly Lazy<IReadOnlyList<ClassCalibration>> _perClass;
    private readonly Lazy<CalibrationTest> _spiegelhalter;
    private readonly Lazy<CalibrationTest> _kolmogorovSmirnov;
    private readonly Lazy<double> _smooth;

    // What the bootstrap draws from: the wrong and the right rows of each bin of the two diagrams.
    private readonly OutcomeCell[] _cells;
    private readonly OutcomeCell[] _equalMassCells;

    internal MulticlassCalibrationMetrics(
        ClassBins classes, IReadOnlyList<string>? classNames, OutcomeCell[] cells, OutcomeCell[] equalMassCells)
    {
        NumberOfClasses = classes.NumberOfClasses;
        _cells = cells;
        _equalMassCells = equalMassCells;
        _spiegelhalter = new(() => RankedTests.Spiegelhalter(Ranking.Rows()));
        _kolmogorovSmirnov = new(() => RankedTests.KolmogorovSmirnov(Ranking.Rows()));
        _smooth = new(() => RankedTests.SmoothCalibrationError(Ranking.Rows()));
        // When it is asked for: a thousand classes have thousands of bins.
        _perClass = new(() =>
        [
            .. Enumerable.Range(0, classes.NumberOfClasses).Select(index =>
                classes.Class(index, classNames?[index] ?? index.ToString(CultureInfo.InvariantCulture))),
        ]);
    }

    /// <summary>
    /// Expected calibration error (ECE): Σ_b n_b/N · |accuracy_b − confidence_b| over bins of equal width. Range [0, 1], lower is better.
    /// Guo et al. 2017, "On calibration of modern neural networks"; the bins are in <see cref="ReliabilityDiagram"/>. Biased upwards on few
    /// rows; <see cref="Bootstrap"/> gives the range to expect.
    /// </summary>
    public double ExpectedCalibrationError => ReliabilityDiagram.ExpectedCalibrationError;

    /// <summary>
    /// The part of <see cref="ExpectedCalibrationError"/> from bins whose confidence is above their accuracy: Σ_b n_b/N ·
    /// max(confidence_b − accuracy_b, 0). Range [0, 1]. With <see cref="ExpectedUnderconfidence"/> it sums to the ECE. (Thulasidasan et al.
    /// 2019 call "overconfidence error" a sum that also weighs each bin with its confidence; this one does not.)
    /// </summary>
    public double ExpectedOverconfidence => ReliabilityDiagram.ExpectedOverconfidence;

    /// <summary>The part of <see cref="ExpectedCalibrationError"/> from bins whose confidence is below their accuracy. Range [0,
    /// 1].</summary>
    public double ExpectedUnderconfidence => ReliabilityDiagram.ExpectedUnderconfidence;

    /// <summary>
    /// Adaptive ECE: as <see cref="ExpectedCalibrationError"/>, with bins that hold as equally many rows as ties allow, so crowded
    /// confidences are resolved finely. Edges lie at confidences, so rows of equal confidence share a bin. Range [0, 1], lower is better.
    /// Nguyen and O'Connor 2015,
    /// "Posterior calibration and exploratory analysis for NLP models"; Mukhoti et al. 2020, "Calibrating deep neural networks using focal
    /// loss". The bins are in <see cref="AdaptiveReliabilityDiagram"/>.
    /// </summary>
    public double AdaptiveCalibrationError => AdaptiveReliabilityDiagram.ExpectedCalibrationError;

    /// <summary>
    /// Classwise ECE: for each class k all rows are binned by p_k, and Σ_b n_b/N · |mean p_k − share of class k| is averaged over all
    /// classes, also those without rows. It looks at every probability, not only at the largest. Range [0, 1], lower is better. Kull et al.
    /// 2019, "Beyond temperature scaling"; Nixon et al. 2019, "Measuring calibration in deep learning". <see cref="PerClass"/> has the
    /// parts.
    /// </summary>
    public double ClasswiseCalibrationError { get; internal init; }

    /// <summary>
    /// Maximum calibration error (MCE): the largest |accuracy_b − confidence_b| of a bin with rows. Range [0, 1], lower is better. A bin
    /// with few rows can decide it. Naeini et al. 2015, "Obtaining well calibrated probabilities using Bayesian binning"; Guo et al. 2017.
    /// </summary>
    public double MaximumCalibrationError => ReliabilityDiagram.MaximumCalibrationError;

    /// <summary>
    /// Root mean square calibration error: √(Σ_b n_b/N · (accuracy_b − confidence_b)²), which weighs large gaps more than the ECE does.
    /// Never below the ECE. Range [0, 1], lower is better. Hendrycks et al. 2019, "Deep anomaly detection with outlier exposure"; the L2
    /// error of Kumar et al. 2019. Biased upwards on few rows, as the ECE is.
    /// </summary>
    public double RootMeanSquareCalibrationError => ReliabilityDiagram.RootMeanSquareCalibrationError;

    /// <summary>
    /// <see cref="RootMeanSquareCalibrationError"/> without its small-sample bias: √(Σ_b n_b/N · ((accuracy_b − confidence_b)² −
    /// accuracy_b · (1 − accuracy_b)/(n_b − 1))), and 0 where the sum is negative, as it is about every second time for a calibrated
    /// model: the sum is an unbiased estimate of the squared error. A bin of one row adds nothing. Kumar et al. 2019, "Verified uncertainty
    /// calibration", section 5.
    /// </summary>
    public double DebiasedRootMeanSquareCalibrationError => ReliabilityDiagram.DebiasedRootMeanSquareCalibrationError;

    /// <summary>
    /// Smooth calibration error (smECE) of the confidence, without bins: the gaps between confidence and accuracy are smoothed by a
    /// Gaussian kernel whose width is the error itself. Small changes of the scores change it little, which an ECE of bins cannot promise.
    /// Range [0, 1], lower is better. Błasiok and Nakkiran 2024, "Smooth ECE". Computed when it is asked for.
    /// </summary>
    public double SmoothCalibrationError => _smooth.Value;

    /// <summary>
    /// Spiegelhalter's test of whether the confidences come true, without bins: z = Σ (a − c)(1 − 2c) / √Σ (1 − 2c)² c (1 − c) over
    /// confidences c and whether a row was right, a. Positive z: too sure, for confidences above ½. Spiegelhalter 1986. Computed when it is
    /// asked for.
    /// </summary>
    public CalibrationTest SpiegelhalterTest => _spiegelhalter.Value;

    /// <summary>
    /// The Kolmogorov–Smirnov test of calibration, without bins: the largest |Σ (c − a)|/N over the rows up to any confidence. Gupta et
    /// al. 2021,
    /// "Calibration of neural networks using splines". Computed when it is asked for.
    /// </summary>
    public CalibrationTest KolmogorovSmirnovTest => _kolmogorovSmirnov.Value;

    /// <summary>
    /// Brier score: the mean over rows of Σ_k (p_k − [y = k])². Range [0, 2], lower is better; with two classes it is twice the binary
    /// Brier score. Brier 1950, "Verification of forecasts expressed in terms of probability".
    /// </summary>
    public double BrierScore { get; internal init; }

    /// <summary>
    /// Log loss (cross entropy, negative log likelihood) in nats: the mean of −ln max(p_y, 1e-15). Range [0, 34.5], lower is better. Equals
    /// <see cref="Data.MulticlassClassificationMetrics.LogLoss"/>.
    /// </summary>
    public double LogLoss { get; internal init; }

    /// <summary>
    /// The share of rows whose predicted class is the true one. Range [0, 1], higher is better. Equals
    /// <see cref="Data.MulticlassClassificationMetrics.MicroAccuracy"/>.
    /// </summary>
    public double Accuracy => ReliabilityDiagram.Accuracy;

    /// <summary>
    /// The mean confidence. Range [1/classes, 1]; best where it equals <see cref="Accuracy"/>: above it the model is overconfident on the
    /// whole, below it underconfident.
    /// </summary>
    public double MeanConfidence => ReliabilityDiagram.MeanConfidence;

    /// <summary>
    /// The mean entropy −Σ_k p_k ln p_k of a row in nats: how undecided the model is. Range [0, ln(classes)]; neither end is better in
    /// itself.
    /// </summary>
    public double MeanEntropy { get; internal init; }

    /// <summary>The number of rows N that the metrics were computed from.</summary>
    public long Count => ReliabilityDiagram.Count;

    /// <summary>
    /// The number of rows that were left out because their label is missing or unknown or a score is NaN or infinite, as ML.NET's
    /// <c>Evaluate</c> leaves them out. 0 from <see cref="CalibrationMetrics.Compute"/>, which refuses such rows.
    /// </summary>
    public long SkippedRows { get; internal init; }

    /// <summary>The number of classes.</summary>
    public int NumberOfClasses { get; }

    /// <summary>The bins of <see cref="ExpectedCalibrationError"/>, which can be saved as a picture.</summary>
    public required ReliabilityDiagram ReliabilityDiagram { get; init; }

    /// <summary>
    /// The bins of <see cref="AdaptiveCalibrationError"/>, which hold equally many rows. Their bounds are confidences of rows: a bin ends
    /// at its largest one, and the first begins at the smallest of all. Where many rows have the same confidence, bins can be empty.
    /// </summary>
    public required ReliabilityDiagram AdaptiveReliabilityDiagram { get; init; }

    internal MeasuredOutcomes Measured { get; init; } = new();

    internal ConfidenceRanking Ranking { get; init; } = new();

    /// <summary>Each class on its own, in the order of the classes.</summary>
    public IReadOnlyList<ClassCalibration> PerClass => _perClass.Value;

    /// <summary>Calibration of the k most probable classes together, for k from 1 to the <c>topKPredictionCount</c> that was asked for;
    /// empty unless it was.</summary>
    public required IReadOnlyList<TopKCalibration> TopK { get; init; }

    /// <summary>The accuracy that is reached when predictions of low confidence are rejected.</summary>
    public required AccuracyRejectionCurve AccuracyRejectionCurve { get; init; }

    /// <summary>
    /// Confidence intervals by resampling: how much the metrics would vary if the same number of other rows of the same kind had been
    /// measured. They come from sums that were kept for each bin, so the time does not depend on the number of rows.
    /// </summary>
    /// <param name="numberOfResamples">How often to draw, at least 100. 1,000 resolve the ends of a 95 % interval to a few per cent of its
    /// width.</param>
    /// <param name="confidenceLevel">How often an interval is to contain the true value, in (0, 1).</param>
    /// <param name="seed">The same seed gives the same intervals on every machine.</param>
    /// <returns>The intervals; <see cref="CalibrationIntervals"/> says how they are formed.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A parameter is out of its range.</exception>
    public CalibrationIntervals Bootstrap(int numberOfResamples = 1000, double confidenceLevel = 0.95, int seed = 0)
        => CalibrationBootstrap.Intervals(_cells, _equalMassCells, NumberOfClasses, numberOfResamples, confidenceLevel, seed);

    /// <summary>
    /// The differences between this model and another on the same rows, with confidence intervals: is one better than the other, or is it
    /// chance?
    /// </summary>
    /// <param name="other">The metrics of the other model, from the same rows in the same order.</param>
    /// <param name="numberOfResamples">How often to draw, at least 100.</param>
    /// <param name="confidenceLevel">How often an interval is to contain the true difference, in (0, 1).</param>
    /// <param name="seed">The same seed gives the same intervals on every machine.</param>
    /// <returns>This model minus the other.</returns>
    /// <exception cref="ArgumentException">The other metrics are of other rows, or of rows in another order.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A parameter is out of its range.</exception>
    /// <example>
    /// <code>
    /// CalibrationComparison difference = metricsOfB.CompareTo(metricsOfA);
    /// bool isBetter = difference.LogLoss.Upper &lt; 0;
    /// </code>
    /// </example>
    public CalibrationComparison CompareTo(
        MulticlassCalibrationMetrics other, int numberOfResamples = 1000, double confidenceLevel = 0.95, int seed = 0)
    {
        ArgumentNullException.ThrowIfNull(other);
        CalibrationBootstrap.Check(numberOfResamples, confidenceLevel);
        if (Count != other.Count || NumberOfClasses != other.NumberOfClasses)
            throw new ArgumentException($"Models are compared on the same rows, but these metrics are of {Count} rows of " +
                $"{NumberOfClasses} classes, "
                + $"and the others of {other.Count} of {other.NumberOfClasses}.", nameof(other));
        if (Measured.LabelsHash != other.Measured.LabelsHash)
            throw new ArgumentException("Models are compared on the same rows in the same order, but the labels of these metrics and of " +
                "the others "
                + "differ, or come in another order. Score the same view with both models.", nameof(other));
        (Vector256<double> best, Vector256<double> worst) = CalibrationBootstrap.OneMore(_cells, NumberOfClasses);
        (Vector256<double> bestOther, Vector256<double> worstOther) = CalibrationBootstrap.OneMore(other._cells, NumberOfClasses);
        return new PairedComparison(Measured, other.Measured, ReliabilityDiagram.Bins.Count).Compare(
            Extremes(best, worstOther, -1), Extremes(worst, bestOther, 1), numberOfResamples, confidenceLevel, seed);

        static Vector256<double> Extremes(Vector256<double> of, Vector256<double> other, double accuracy)
        {
            Vector256<double> difference = of - other;
            return Vector256.Create(difference[RowNumber.LogLoss], difference[RowNumber.BrierScore], accuracy,
                difference[RowNumber.Confidence]);
        }
    }

    /// <summary>Whether <see cref="CompareTo"/> can compare them.</summary>
    internal bool IsOfTheSameRows(MulticlassCalibrationMetrics other) =>
        Count == other.Count && NumberOfClasses == other.NumberOfClasses && Measured.LabelsHash == other.Measured.LabelsHash;

    /// <summary>The metrics as a block of text, one a line, in invariant culture.</summary>
    public override string ToString()
    {
        string skipped = SkippedRows == 0 ? "" : Invariant($" ({SkippedRows:N0} rows without label or valid scores left out)");
        return string.Join(Environment.NewLine,
        [
            Invariant($"Rows                            {Count:N0} of {NumberOfClasses} classes{skipped}"),
            Invariant($"Accuracy                        {Accuracy:P2}"),
            Invariant($"Mean confidence                 {MeanConfidence:P2}"),
            Invariant($"Expected calibration error      {ExpectedCalibrationError:P2}"),
            Invariant($"  from overconfident bins       {ExpectedOverconfidence:P2}"),
            Invariant($"  from underconfident bins      {ExpectedUnderconfidence:P2}"),
            Invariant($"Adaptive calibration error      {AdaptiveCalibrationError:P2}"),
            Invariant($"Classwise calibration error     {ClasswiseCalibrationError:P2}"),
            Invariant($"Maximum calibration error       {MaximumCalibrationError:P2}"),
            Invariant($"Root mean square error          {RootMeanSquareCalibrationError:P2}"),
            Invariant($"  debiased                      {DebiasedRootMeanSquareCalibrationError:P2}"),
            Invariant($"Brier score                     {BrierScore:F4}"),
            Invariant($"Log loss                        {LogLoss:F4}"),
            Invariant($"Mean entropy                    {MeanEntropy:F4}"),
            Invariant($"Area under risk and coverage    {AccuracyRejectionCurve.AreaUnderRiskCoverageCurve:F4}"),
            Invariant($"  excess over the best order    {AccuracyRejectionCurve.ExcessAreaUnderRiskCoverageCurve:F4}"),
            .. TopK.Select(top => Invariant(
                $"Top {top.K,-4} accuracy               {top.Accuracy:P2}, calibration error {top.ExpectedCalibrationError:P2}")),
        ]);
    }
}
