namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// How well a binary model's probability of the positive class matches what happened. N is the number of rows, p a row's probability, y
/// whether the row is positive. From <see cref="BinaryClassificationCatalog"/>.<c>EvaluateCalibration</c> or <see
/// cref="CalibrationMetrics.ComputeBinary"/>.
/// </summary>
/// <remarks>
/// Bins are of the probability p on [0, 1], and a bin's <see cref="ReliabilityBin.Accuracy"/> is the share of its rows that are positive: a
/// diagram of probabilities and not of confidences, so that a model that is wrong about rare positives is seen.
/// </remarks>
public sealed class BinaryCalibrationMetrics
{
    private readonly OutcomeCell[] _cells;
    private readonly OutcomeCell[] _equalMassCells;
    private readonly Lazy<CalibrationTest> _spiegelhalter;
    private readonly Lazy<CalibrationTest> _kolmogorovSmirnov;
    private readonly Lazy<double> _smooth;

    internal BinaryCalibrationMetrics(OutcomeBins bins, ConfidenceRanking ranking, int numberOfBins, long skippedRows)
    {
        ranking.Sort();
        _cells = bins.Cells.ToArray();
        ReliabilityDiagram = bins.Diagram();
        (AdaptiveReliabilityDiagram, _equalMassCells) = ranking.EqualMassBins(numberOfBins);
        BrierScore = bins.Mean(RowNumber.BrierScore);
        LogLoss = bins.Mean(RowNumber.LogLoss);
        SkippedRows = skippedRows;
        _spiegelhalter = new(() => RankedTests.Spiegelhalter(ranking.Rows()));
        _kolmogorovSmirnov = new(() => RankedTests.KolmogorovSmirnov(ranking.Rows()));
        _smooth = new(() => RankedTests.SmoothCalibrationError(ranking.Rows()));
    }

    /// <summary>Expected calibration error (ECE): Σ_b n_b/N · |positive rate_b − mean probability_b| over bins of equal width. Range [0,
    /// 1], lower is better. Biased upwards on few rows; <see cref="Bootstrap"/> gives the range to expect.</summary>
    public double ExpectedCalibrationError => ReliabilityDiagram.ExpectedCalibrationError;

    /// <summary>As <see cref="ExpectedCalibrationError"/>, with bins of as equally many rows as ties allow: the choice where most
    /// probabilities are near 0 or near 1.</summary>
    public double AdaptiveCalibrationError => AdaptiveReliabilityDiagram.ExpectedCalibrationError;

    /// <summary>The largest |positive rate_b − mean probability_b| of a bin with rows. A bin with few rows can decide it.</summary>
    public double MaximumCalibrationError => ReliabilityDiagram.MaximumCalibrationError;

    /// <summary>√(Σ_b n_b/N · (positive rate_b − mean probability_b)²).</summary>
    public double RootMeanSquareCalibrationError => ReliabilityDiagram.RootMeanSquareCalibrationError;

    /// <summary><see cref="RootMeanSquareCalibrationError"/> without its small-sample bias (Kumar et al. 2019).</summary>
    public double DebiasedRootMeanSquareCalibrationError => ReliabilityDiagram.DebiasedRootMeanSquareCalibrationError;

    /// <inheritdoc cref="MulticlassCalibrationMetrics.SmoothCalibrationError"/>
    public double SmoothCalibrationError => _smooth.Value;

    /// <summary>Spiegelhalter's test of calibration, without bins: z = Σ (y − p)(1 − 2p) / √Σ (1 − 2p)² p (1 − p). Positive z: too sure.
    /// Spiegelhalter 1986, "Probabilistic prediction in patient management and clinical trials". Computed when it is asked for.</summary>
    public CalibrationTest SpiegelhalterTest => _spiegelhalter.Value;

    /// <summary>The Kolmogorov–Smirnov test of calibration, without bins: the largest |Σ (p − y)|/N over the rows up to any probability.
    /// Gupta et al. 2021, "Calibration of neural networks using splines". Computed when it is asked for.</summary>
    public CalibrationTest KolmogorovSmirnovTest => _kolmogorovSmirnov.Value;

    /// <summary>The Brier score in its parts: calibration, refinement, uncertainty.</summary>
    public MurphyDecomposition BrierDecomposition => MurphyDecomposition.Of(ReliabilityDiagram);

    /// <summary>The mean of (p − y)². Range [0, 1], lower is better. Brier 1950; half of the multiclass score of the same model.</summary>
    public double BrierScore { get; }

    /// <summary>Log loss in nats: the mean of −ln of the probability of what happened, not below 1e-15. ML.NET's binary <c>Evaluate</c>
    /// gives it in bits: divide by ln 2 to compare.</summary>
    public double LogLoss { get; }

    /// <summary>The share of rows that are positive.</summary>
    public double PositiveRate => ReliabilityDiagram.Accuracy;

    /// <summary>The mean probability; best where it equals <see cref="PositiveRate"/>.</summary>
    public double MeanProbability => ReliabilityDiagram.MeanConfidence;

    /// <summary>The number of rows N that the metrics were computed from.</summary>
    public long Count => ReliabilityDiagram.Count;

    /// <summary>The number of rows that were left out because their probability is NaN.</summary>
    public long SkippedRows { get; }

    /// <summary>The bins of <see cref="ExpectedCalibrationError"/>, which can be saved as a picture.</summary>
    public ReliabilityDiagram ReliabilityDiagram { get; }

    /// <summary>The bins of <see cref="AdaptiveCalibrationError"/>.</summary>
    public ReliabilityDiagram AdaptiveReliabilityDiagram { get; }

    /// <summary>Confidence intervals: how much the metrics would vary if the same number of other rows of the same kind had been
    /// measured.</summary>
    /// <param name="numberOfResamples">How often to draw, at least 100.</param>
    /// <param name="confidenceLevel">How often an interval is to contain the true value, in (0, 1).</param>
    /// <param name="seed">The same seed gives the same intervals on every machine.</param>
    /// <exception cref="ArgumentOutOfRangeException">A parameter is out of its range.</exception>
    public BinaryCalibrationIntervals Bootstrap(int numberOfResamples = 1000, double confidenceLevel = 0.95, int seed = 0) =>
        new(CalibrationBootstrap.BinaryIntervals(_cells, _equalMassCells, numberOfResamples, confidenceLevel, seed));

    /// <summary>The metrics as a block of text, one a line, in invariant culture.</summary>
    public override string ToString()
    {
        string skipped = SkippedRows == 0 ? "" : Invariant($" ({SkippedRows:N0} rows without a probability left out)");
        return string.Join(Environment.NewLine,
        [
            Invariant($"Rows                            {Count:N0}{skipped}"),
            Invariant($"Positive rate                   {PositiveRate:P2}"),
            Invariant($"Mean probability                {MeanProbability:P2}"),
            Invariant($"Expected calibration error      {ExpectedCalibrationError:P2}"),
            Invariant($"Adaptive calibration error      {AdaptiveCalibrationError:P2}"),
            Invariant($"Maximum calibration error       {MaximumCalibrationError:P2}"),
            Invariant($"Root mean square error          {RootMeanSquareCalibrationError:P2}"),
            Invariant($"  debiased                      {DebiasedRootMeanSquareCalibrationError:P2}"),
            Invariant($"Smooth calibration error        {SmoothCalibrationError:P2}"),
            $"Spiegelhalter's z               {SpiegelhalterTest}",
            $"Kolmogorov-Smirnov              {KolmogorovSmirnovTest}",
            Invariant($"Brier score                     {BrierScore:F4}"),
            Invariant($"Log loss                        {LogLoss:F4}"),
        ]);
    }
}
