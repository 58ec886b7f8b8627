using System.Runtime.Intrinsics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What calibration metrics of models of two and of several classes share. A row has a confidence c, and an outcome a that is 1 or 0: for
/// <see cref="MulticlassCalibrationMetrics"/> the largest probability and whether the prediction is right, for <see
/// cref="BinaryCalibrationMetrics"/> the probability of the positive class and whether the row is positive. N is the number of rows.
/// </summary>
/// <remarks>
/// Calibration errors are estimates with a bias: on few rows even a perfectly calibrated model shows an error above 0. Compare them on the
/// same number of rows and bins. <see cref="LogLoss"/> and <see cref="BrierScore"/> have no bins; they reward accuracy and calibration
/// together.
/// </remarks>
public abstract class ClassifierCalibrationMetrics
{
    private readonly Lazy<CalibrationTest> _spiegelhalter;
    private readonly Lazy<CalibrationTest> _kolmogorovSmirnov;
    private readonly Lazy<double> _smooth;
    private readonly Lazy<(Vector256<double> Best, Vector256<double> Worst)> _oneMore;

    private protected ClassifierCalibrationMetrics(OutcomeBins bins, ConfidenceRanking sorted, int numberOfBins, long skippedRows,
        DiagramKind kind, MeasuredOutcomes measured)
    {
        Measured = measured;
        Cells = bins.Cells.ToArray();
        ReliabilityDiagram = new ReliabilityDiagram(bins.ReliabilityBins(), kind);
        (ReliabilityBin[] equalMass, EqualMassCells) = sorted.EqualMassBins(numberOfBins);
        AdaptiveReliabilityDiagram = new ReliabilityDiagram(equalMass, kind);
        BrierScore = bins.Mean(RowNumber.BrierScore);
        LogLoss = bins.Mean(RowNumber.LogLoss);
        SkippedRows = skippedRows;
        _spiegelhalter = new(() => RankedTests.Spiegelhalter(sorted.Rows()));
        _kolmogorovSmirnov = new(() => RankedTests.KolmogorovSmirnov(sorted.Rows()));
        _smooth = new(() => RankedTests.SmoothCalibrationError(sorted.Rows()));
        double meanEntropy = bins.Mean(RowNumber.Entropy);
        _oneMore = new(() => FindOneMore(meanEntropy));
    }

    /// <summary>
    /// Expected calibration error (ECE): Σ_b n_b/N · |mean a_b − mean c_b| over bins of equal width. Range [0, 1], lower is better.
    /// Guo et al. 2017, "On calibration of modern neural networks"; the bins are in <see cref="ReliabilityDiagram"/>. Biased upwards on few
    /// rows; <c>Bootstrap</c> gives the range to expect.
    /// </summary>
    public double ExpectedCalibrationError => ReliabilityDiagram.ExpectedCalibrationError;

    /// <summary>
    /// The part of <see cref="ExpectedCalibrationError"/> from bins whose confidence is above what happened: Σ_b n_b/N · max(mean c_b −
    /// mean a_b, 0). Range [0, 1]. With <see cref="ExpectedUnderconfidence"/> it sums to the ECE. (Thulasidasan et al. 2019 call
    /// "overconfidence error" a sum that also weighs each bin with its confidence; this one does not.)
    /// </summary>
    public double ExpectedOverconfidence => ReliabilityDiagram.ExpectedOverconfidence;

    /// <summary>The part of <see cref="ExpectedCalibrationError"/> from bins whose confidence is below what happened. Range [0,
    /// 1].</summary>
    public double ExpectedUnderconfidence => ReliabilityDiagram.ExpectedUnderconfidence;

    /// <summary>
    /// Adaptive ECE: as <see cref="ExpectedCalibrationError"/>, with bins that hold as equally many rows as ties allow, so crowded
    /// confidences are resolved finely: the choice where most probabilities are near 0 or near 1. Edges lie at confidences, so rows of
    /// equal confidence share a bin. Range [0, 1], lower is better. Nguyen and O'Connor 2015, "Posterior calibration and exploratory
    /// analysis for NLP models"; Mukhoti et al. 2020, "Calibrating deep neural networks using focal loss". The bins are in <see
    /// cref="AdaptiveReliabilityDiagram"/>.
    /// </summary>
    public double AdaptiveCalibrationError => AdaptiveReliabilityDiagram.ExpectedCalibrationError;

    /// <summary>
    /// Maximum calibration error (MCE): the largest |mean a_b − mean c_b| of a bin with rows. Range [0, 1], lower is better. A bin
    /// with few rows can decide it. Naeini et al. 2015, "Obtaining well calibrated probabilities using Bayesian binning"; Guo et al. 2017.
    /// </summary>
    public double MaximumCalibrationError => ReliabilityDiagram.MaximumCalibrationError;

    /// <summary>
    /// Root mean square calibration error: √(Σ_b n_b/N · (mean a_b − mean c_b)²), which weighs large gaps more than the ECE does.
    /// Never below the ECE. Range [0, 1], lower is better. Hendrycks et al. 2019, "Deep anomaly detection with outlier exposure"; the L2
    /// error of Kumar et al. 2019. Biased upwards on few rows, as the ECE is.
    /// </summary>
    public double RootMeanSquareCalibrationError => ReliabilityDiagram.RootMeanSquareCalibrationError;

    /// <summary>
    /// <see cref="RootMeanSquareCalibrationError"/> without its small-sample bias: √(Σ_b n_b/N · ((mean a_b − mean c_b)² −
    /// mean a_b · (1 − mean a_b)/(n_b − 1))), and 0 where the sum is negative, as it is about every second time for a calibrated
    /// model: the sum is an unbiased estimate of the squared error. A bin of one row adds nothing. Kumar et al. 2019, "Verified uncertainty
    /// calibration", section 5.
    /// </summary>
    public double DebiasedRootMeanSquareCalibrationError => ReliabilityDiagram.DebiasedRootMeanSquareCalibrationError;

    /// <summary>
    /// Smooth calibration error (smECE) of the confidence, without bins: the gaps between confidence and outcome are smoothed by a
    /// Gaussian kernel whose width is the error itself. Small changes of the scores change it little, which an ECE of bins cannot promise.
    /// Range [0, 1], lower is better. Błasiok and Nakkiran 2024, "Smooth ECE". Computed when it is asked for.
    /// </summary>
    public double SmoothCalibrationError => _smooth.Value;

    /// <summary>
    /// Spiegelhalter's test of whether the confidences come true, without bins: z = Σ (a − c)(1 − 2c) / √Σ (1 − 2c)² c (1 − c). Positive
    /// z: too sure, for confidences above ½. Spiegelhalter 1986, "Probabilistic prediction in patient management and clinical trials".
    /// Rows are taken as independent, also where they belong to clusters. Computed when it is asked for.
    /// </summary>
    public CalibrationTest SpiegelhalterTest => _spiegelhalter.Value;

    /// <summary>
    /// The Kolmogorov–Smirnov test of calibration, without bins: the largest |Σ (c − a)|/N over the rows up to any confidence. Gupta et
    /// al. 2021, "Calibration of neural networks using splines". Rows are taken as independent, also where they belong to clusters.
    /// Computed when it is asked for.
    /// </summary>
    public CalibrationTest KolmogorovSmirnovTest => _kolmogorovSmirnov.Value;

    /// <summary>
    /// Brier score, lower is better: of several classes the mean over rows of Σ_k (p_k − [y = k])², range [0, 2]; of a binary model the
    /// mean of (p − y)², range [0, 1], which is half of that. Brier 1950, "Verification of forecasts expressed in terms of probability".
    /// </summary>
    public double BrierScore { get; }

    /// <summary>
    /// Log loss (cross entropy, negative log likelihood) in nats: the mean of −ln of the probability of what happened, not below 1e-15.
    /// Range [0, 34.5], lower is better. Equals <see cref="Data.MulticlassClassificationMetrics.LogLoss"/>; ML.NET's binary <c>Evaluate</c>
    /// gives it in bits: this value divided by ln 2.
    /// </summary>
    public double LogLoss { get; }

    /// <summary>The number of rows N that the metrics were computed from.</summary>
    public long Count => ReliabilityDiagram.Count;

    /// <summary>
    /// The number of rows that were left out because their label is missing or unknown or a score is NaN or infinite, as ML.NET's
    /// <c>Evaluate</c> leaves them out. Those of one group in its own metrics; 0 from <see cref="CalibrationMetrics"/>, which refuses such
    /// rows.
    /// </summary>
    public long SkippedRows { get; }

    /// <summary>The bins of <see cref="ExpectedCalibrationError"/>, which can be saved as a picture.</summary>
    public ReliabilityDiagram ReliabilityDiagram { get; }

    /// <summary>
    /// The bins of <see cref="AdaptiveCalibrationError"/>, which hold equally many rows. Their bounds are confidences of rows: a bin ends
    /// at its largest one, and the first begins at the smallest of all. Where many rows have the same confidence, bins can be empty.
    /// </summary>
    public ReliabilityDiagram AdaptiveReliabilityDiagram { get; }

    /// <summary>What the bootstrap draws from: the rows of each bin of <see cref="ReliabilityDiagram"/> by their outcome.</summary>
    internal OutcomeCell[] Cells { get; }

    /// <summary>The same of <see cref="AdaptiveReliabilityDiagram"/>.</summary>
    internal OutcomeCell[] EqualMassCells { get; }

    /// <summary>What each row gave.</summary>
    internal MeasuredOutcomes Measured { get; }

    /// <summary>The best and the worst row that could have come.</summary>
    internal (Vector256<double> Best, Vector256<double> Worst) OneMore => _oneMore.Value;

    /// <summary>The intervals in the form of several classes: of a binary model accuracy is the share of positives, and confidence the
    /// probability.</summary>
    internal CalibrationIntervals Intervals(int numberOfResamples = 1000, double confidenceLevel = 0.95, int seed = 0) =>
        CalibrationBootstrap.Intervals(Cells, EqualMassCells, OneMore, numberOfResamples, confidenceLevel, seed,
            Measured.Clusters is List<int> clusters ? new ClusteredRows(Measured, clusters, AdaptiveReliabilityDiagram) : null);

    private protected abstract (Vector256<double> Best, Vector256<double> Worst) FindOneMore(double meanEntropy);

    /// <summary>Whether <see cref="Compare"/> can compare them.</summary>
    internal virtual bool IsOfTheSameRows(ClassifierCalibrationMetrics other) =>
        GetType() == other.GetType() && Measured.LeftOut == other.Measured.LeftOut && Measured.HasTheLabelsOf(other.Measured) &&
        !HasOtherClusters(other);

    /// <summary>The differences in the form of several classes, as <see cref="Intervals"/> has it: this model minus the other.</summary>
    internal CalibrationComparison Compare(
        ClassifierCalibrationMetrics other, int numberOfResamples = 1000, double confidenceLevel = 0.95, int seed = 0)
    {
        CalibrationBootstrap.Check(numberOfResamples, confidenceLevel);
        if (Measured.LeftOut != other.Measured.LeftOut)
        {
            throw new ArgumentException("Models are compared on the same rows, but other rows were left out of the view of these metrics " +
                $"than of that of the others ({Measured.LeftOut.Count} and {other.Measured.LeftOut.Count} rows without a label or valid " +
                "scores). Leave the same rows out of both views.", nameof(other));
        }

        if (!Measured.HasTheLabelsOf(other.Measured))
            throw new ArgumentException("Models are compared on the same rows in the same order, but the labels of these metrics and of " +
                "the others differ, come in another order, or have classes of other names. Score the same view with both models.",
                nameof(other));
        if (HasOtherClusters(other))
            throw new ArgumentException("Models are compared on the same clusters, but these metrics and the others were measured with " +
                "different ones. Name the same clusterColumnName in both.", nameof(other));
        double accuracy = this is BinaryCalibrationMetrics ? 0 : 1;     // both see the same positives
        Vector256<double> lowest = Extremes(OneMore.Best - other.OneMore.Worst, -accuracy);
        Vector256<double> highest = Extremes(OneMore.Worst - other.OneMore.Best, accuracy);
        int bins = ReliabilityDiagram.Bins.Count;
        return (Measured.Clusters ?? other.Measured.Clusters) is List<int> clusters
            ? new ClusteredComparison(Measured, other.Measured, clusters, bins).Compare(
                lowest, highest, numberOfResamples, confidenceLevel, seed)
            : new PairedComparison(Measured, other.Measured, bins).Compare(lowest, highest, numberOfResamples, confidenceLevel, seed);

        static Vector256<double> Extremes(Vector256<double> difference, double accuracy) => Vector256.Create(
            difference[RowNumber.LogLoss], difference[RowNumber.BrierScore], accuracy, difference[RowNumber.Confidence]);
    }

    private bool HasOtherClusters(ClassifierCalibrationMetrics other) =>
        Measured.Clusters is List<int> ours && other.Measured.Clusters is List<int> theirs && !ours.SequenceEqual(theirs);
}
