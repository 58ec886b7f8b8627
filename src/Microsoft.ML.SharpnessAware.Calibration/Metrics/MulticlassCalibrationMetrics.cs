using System.Globalization;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// How well a multiclass model's probabilities match what happened. The confidence c of a row is its largest probability, the predicted
/// class is where that is (the lowest index on ties), and N is the number of rows. From <see
/// cref="MulticlassClassificationCatalog"/>.<c>EvaluateCalibration</c> or <see cref="CalibrationMetrics.Compute"/>.
/// </summary>
public sealed class MulticlassCalibrationMetrics : ClassifierCalibrationMetrics
{
    private readonly Lazy<IReadOnlyList<ClassCalibration>> _perClass;
    private readonly Lazy<LogLossDecomposition?> _logLossDecomposition;

    internal MulticlassCalibrationMetrics(OutcomeBins bins, ConfidenceRanking sorted, int numberOfBins, long skippedRows,
        ClassBins classes, MeasuredOutcomes measured)
        : base(bins, sorted, numberOfBins, skippedRows, DiagramKind.Predictions, measured)
    {
        NumberOfClasses = classes.NumberOfClasses;
        ClasswiseCalibrationError = classes.ClasswiseCalibrationError(Count);
        MeanEntropy = bins.Mean(RowNumber.Entropy);
        AccuracyRejectionCurve = sorted.AccuracyRejectionCurve();
        _logLossDecomposition = new(() =>
        {
            if (Sample is null)
                return null;
            (double gain, double temperature) = Sample.CrossFittedTemperature();
            return new LogLossDecomposition(gain, LogLoss - gain, temperature);
        });
        // When it is asked for: a thousand classes have thousands of bins.
        _perClass = new(() =>
        [
            .. Enumerable.Range(0, classes.NumberOfClasses).Select(index =>
                classes.Class(index, measured.ClassNames?[index] ?? index.ToString(CultureInfo.InvariantCulture))),
        ]);
    }

    /// <summary>
    /// Classwise ECE: for each class k all rows are binned by p_k, and Σ_b n_b/N · |mean p_k − share of class k| is averaged over all
    /// classes, also those without rows. It looks at every probability, not only at the largest. Range [0, 1], lower is better. Kull et al.
    /// 2019, "Beyond temperature scaling"; Nixon et al. 2019, "Measuring calibration in deep learning". <see cref="PerClass"/> has the
    /// parts.
    /// </summary>
    public double ClasswiseCalibrationError { get; }

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
    public double MeanEntropy { get; }

    /// <summary>The number of classes.</summary>
    public int NumberOfClasses { get; }

    /// <summary>
    /// The Brier score in Murphy's parts, summed over the classes, each against the others (<see cref="PerClass"/>): reliability,
    /// resolution, uncertainty. Computed when it is asked for.
    /// </summary>
    public MurphyDecomposition BrierDecomposition
    {
        get
        {
            MurphyDecomposition[] parts = [.. PerClass.Select(one => MurphyDecomposition.Of(one.ReliabilityDiagram))];
            return new MurphyDecomposition(parts.Sum(part => part.Reliability), parts.Sum(part => part.Resolution),
                parts.Sum(part => part.Uncertainty));
        }
    }

    /// <summary>The log loss in its parts: what a temperature would take away, and what none does. Null for the rows of one group of <see
    /// cref="PerGroup"/>. Computed when it is asked for.</summary>
    public LogLossDecomposition? LogLossDecomposition => _logLossDecomposition.Value;

    internal RowSample? Sample { get; set; }

    /// <summary>Each class on its own, in the order of the classes.</summary>
    public IReadOnlyList<ClassCalibration> PerClass => _perClass.Value;

    /// <summary>The metrics of each group of rows, in the order of the groups' values, a missing value last; empty unless a
    /// <c>groupColumnName</c> was given.</summary>
    public IReadOnlyList<GroupCalibration> PerGroup { get; internal set; } = [];

    /// <summary>Calibration of the k most probable classes together, for k from 1 to the <c>topKPredictionCount</c> that was asked for;
    /// empty unless it was.</summary>
    public IReadOnlyList<TopKCalibration> TopK { get; internal init; } = [];

    /// <summary>The accuracy that is reached when predictions of low confidence are rejected.</summary>
    public AccuracyRejectionCurve AccuracyRejectionCurve { get; }

    /// <summary>
    /// Confidence intervals by resampling: how much the metrics would vary if the same number of other rows of the same kind had been
    /// measured. They come from sums that were kept for each bin, so the time hardly depends on the number of rows.
    /// </summary>
    /// <param name="numberOfResamples">How often to draw, at least 100. 1,000 resolve the ends of a 95 % interval to a few per cent of its
    /// width.</param>
    /// <param name="confidenceLevel">How often an interval is to contain the true value, in (0, 1). It takes at least 2 / (1 − level) − 1
    /// resamples: 199 for 0.99.</param>
    /// <param name="seed">The same seed gives the same intervals on every machine.</param>
    /// <returns>The intervals; <see cref="CalibrationIntervals"/> says how they are formed.</returns>
    /// <remarks>Where the metrics were measured with a <c>clusterColumnName</c>, whole clusters are drawn and not rows.</remarks>
    /// <exception cref="ArgumentOutOfRangeException">A parameter is out of its range, or there are fewer resamples than the level
    /// takes.</exception>
    public CalibrationIntervals Bootstrap(int numberOfResamples = 1000, double confidenceLevel = 0.95, int seed = 0)
        => Intervals(numberOfResamples, confidenceLevel, seed);

    private protected override (Vector256<double> Best, Vector256<double> Worst) FindOneMore(double meanEntropy) =>
        OneMoreRow.Of(Measured, meanEntropy, NumberOfClasses);

    /// <summary>
    /// The differences between this model and another on the same rows, with confidence intervals: is one better than the other, or is it
    /// chance?
    /// </summary>
    /// <param name="other">The metrics of the other model, from the same rows in the same order. Only the labels can tell whether they
    /// are.</param>
    /// <param name="numberOfResamples">How often to draw, at least 100.</param>
    /// <param name="confidenceLevel">How often an interval is to contain the true difference, in (0, 1). It takes at least 2 / (1 − level)
    /// − 1 resamples: 199 for 0.99.</param>
    /// <param name="seed">The same seed gives the same intervals on every machine.</param>
    /// <returns>This model minus the other.</returns>
    /// <remarks>Where the metrics were measured with a <c>clusterColumnName</c>, whole clusters are drawn and not rows. <see
    /// cref="CalibrationComparison"/> says which metrics have no difference, and why.</remarks>
    /// <exception cref="ArgumentException">The other metrics are of another number of rows, of rows whose labels differ or come in another
    /// order, of rows of which others were left out, or of other clusters. Classes that have names may stand in another
    /// order.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A parameter is out of its range, or there are fewer resamples than the level
    /// takes.</exception>
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
        return Compare(other, numberOfResamples, confidenceLevel, seed);
    }

    internal override bool IsOfTheSameRows(ClassifierCalibrationMetrics other) =>
        base.IsOfTheSameRows(other) && NumberOfClasses == ((MulticlassCalibrationMetrics)other).NumberOfClasses;

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
