using System.Globalization;

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
    internal MulticlassCalibrationMetrics()
    {
    }

    /// <summary>
    /// Expected calibration error (ECE): Σ_b n_b/N · |accuracy_b − confidence_b| over bins of equal width. Range [0, 1], lower is better.
    /// Guo et al. 2017, "On calibration of modern neural networks"; the bins are in <see cref="ReliabilityDiagram"/>.
    /// </summary>
    public double ExpectedCalibrationError => ReliabilityDiagram.ExpectedCalibrationError;

    /// <summary>
    /// Adaptive ECE: as <see cref="ExpectedCalibrationError"/>, with bins that hold equally many rows, so crowded confidences are resolved
    /// finely. Edges lie at confidences, so rows of equal confidence share a bin. Range [0, 1], lower is better. Nguyen and O'Connor 2015,
    /// "Posterior calibration and exploratory analysis for NLP models"; Mukhoti et al. 2020, "Calibrating deep neural networks using focal
    /// loss".
    /// </summary>
    public double AdaptiveCalibrationError { get; internal init; }

    /// <summary>
    /// Classwise ECE: for each class k all rows are binned by p_k, and Σ_b n_b/N · |mean p_k − share of class k| is averaged over all
    /// classes, also those without rows. It looks at every probability, not only at the largest. Range [0, 1], lower is better. Kull et al.
    /// 2019, "Beyond temperature scaling"; Nixon et al. 2019, "Measuring calibration in deep learning".
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
    /// error of Kumar et al. 2019.
    /// </summary>
    public double RootMeanSquareCalibrationError => ReliabilityDiagram.RootMeanSquareCalibrationError;

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
    public int NumberOfClasses { get; internal init; }

    /// <summary>The bins of <see cref="ExpectedCalibrationError"/>, which can be saved as a picture.</summary>
    public required ReliabilityDiagram ReliabilityDiagram { get; init; }

    /// <summary>STUB.</summary>
    public double ExpectedOverconfidence => StubSum(bin => Math.Max(bin.Gap, 0));

    /// <summary>STUB.</summary>
    public double ExpectedUnderconfidence => StubSum(bin => Math.Max(-bin.Gap, 0));

    /// <summary>STUB.</summary>
    public double DebiasedRootMeanSquareCalibrationError => 0.9 * RootMeanSquareCalibrationError;

    /// <summary>STUB.</summary>
    public ReliabilityDiagram AdaptiveReliabilityDiagram => ReliabilityDiagram;

    /// <summary>STUB.</summary>
    public IReadOnlyList<ClassCalibration> PerClass { get; internal init; } = [];

    /// <summary>STUB.</summary>
    public IReadOnlyList<TopKCalibration> TopK { get; internal init; } = [];

    /// <summary>STUB.</summary>
    public AccuracyRejectionCurve AccuracyRejectionCurve { get; internal init; } = new([]);

    private double StubSum(Func<ReliabilityBin, double> part)
        => ReliabilityDiagram.Bins.Where(bin => bin.Count > 0).Sum(bin => bin.Count * part(bin)) / Count;

    /// <summary>The metrics as a block of text, one a line, in invariant culture.</summary>
    public override string ToString()
    {
        string skipped = SkippedRows == 0 ? "" : Invariant($" ({SkippedRows:N0} rows without label or valid scores left out)");
        return string.Join(Environment.NewLine,
            Invariant($"Rows                            {Count:N0} of {NumberOfClasses} classes{skipped}"),
            Invariant($"Accuracy                        {Accuracy:P2}"),
            Invariant($"Mean confidence                 {MeanConfidence:P2}"),
            Invariant($"Expected calibration error      {ExpectedCalibrationError:P2}"),
            Invariant($"Adaptive calibration error      {AdaptiveCalibrationError:P2}"),
            Invariant($"Classwise calibration error     {ClasswiseCalibrationError:P2}"),
            Invariant($"Maximum calibration error       {MaximumCalibrationError:P2}"),
            Invariant($"Root mean square error          {RootMeanSquareCalibrationError:P2}"),
            Invariant($"Brier score                     {BrierScore:F4}"),
            Invariant($"Log loss                        {LogLoss:F4}"),
            Invariant($"Mean entropy                    {MeanEntropy:F4}"));
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
