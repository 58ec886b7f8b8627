namespace Microsoft.ML.SharpnessAware;

/// <summary>A line of the table of metrics.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Explanation">What it says, in one line.</param>
/// <param name="Value">Its value; NaN where a model has none.</param>
/// <param name="Format">The format of the number.</param>
/// <param name="Best">Which value is best: -1 the lowest, 1 the highest, 0 none in itself.</param>
/// <param name="Interval">Its confidence interval, for those that have one.</param>
internal sealed record MetricRow(
    string Name, string Explanation, Func<ClassifierCalibrationMetrics, double> Value, string Format, int Best,
    Func<CalibrationIntervals, ConfidenceInterval>? Interval = null)
{
    /// <summary>Whether it is of binary models only, or of several classes only; null for both.</summary>
    public bool? IsBinary { get; private init; }

    /// <summary>Its explanation where rows belong to clusters, if that is another.</summary>
    private string? ForClusters { get; init; }

    private const string Share = "P2";
    private const string Number = "0.0000;−0.0000;0.0000";      // what rounds to 0 has no sign

    private static readonly MetricRow[] All =
    [
        new("Rows", "How many rows the numbers come from.", metrics => metrics.Count, "N0", 0),
        new("Rows left out", "Rows without a known label or with scores that are not numbers.", metrics => metrics.SkippedRows, "N0", 0),
        Of("Accuracy", "Share of rows predicted right.", metrics => metrics.Accuracy, Share, 1, intervals => intervals.Accuracy),
        Of("Mean confidence", "Mean of the largest probability; should equal the accuracy.",
            metrics => metrics.MeanConfidence, Share, 0, intervals => intervals.MeanConfidence),
        new("Share positive", "Share of rows that are positive.", metrics => metrics is BinaryCalibrationMetrics binary
            ? binary.PositiveRate : double.NaN, Share, 0, intervals => intervals.Accuracy) { IsBinary = true },
        new("Mean probability", "Mean probability of being positive; should equal the share positive.",
            metrics => metrics is BinaryCalibrationMetrics binary ? binary.MeanProbability : double.NaN, Share, 0,
            intervals => intervals.MeanConfidence) { IsBinary = true },
        new("ECE", "Expected calibration error: mean gap between what is said and what happens, by what is said.",
            metrics => metrics.ExpectedCalibrationError, Share, -1, intervals => intervals.ExpectedCalibrationError),
        new("… too confident", "The part of the ECE where what is said is above what happens.",
            metrics => metrics.ExpectedOverconfidence, Share, -1),
        new("… too hesitant", "The part of the ECE where what is said is below what happens.",
            metrics => metrics.ExpectedUnderconfidence, Share, -1),
        new("Adaptive ECE", "ECE in bins of equally many rows.",
            metrics => metrics.AdaptiveCalibrationError, Share, -1, intervals => intervals.AdaptiveCalibrationError),
        new("Smooth ECE", "ECE without bins: gaps smoothed by a kernel as wide as the error itself.",
            metrics => metrics.SmoothCalibrationError, Share, -1),
        Of("Classwise ECE", "The same for every class's probability, not only the largest; mean over the classes.",
            metrics => metrics.ClasswiseCalibrationError, Share, -1),
        new("Maximum calibration error", "The gap of the worst bin, which may hold few rows.",
            metrics => metrics.MaximumCalibrationError, Share, -1),
        new("RMS calibration error", "Root mean square of the gaps: large ones weigh more.",
            metrics => metrics.RootMeanSquareCalibrationError, Share, -1, intervals => intervals.RootMeanSquareCalibrationError),
        new("… debiased", "Without what chance alone adds to it on so few rows.",
            metrics => metrics.DebiasedRootMeanSquareCalibrationError, Share, -1),
        new("Spiegelhalter's p",
            "How often a calibrated model shows gaps so large, without bins; one calibrated model in twenty is below 5 %.",
            metrics => metrics.SpiegelhalterTest.PValue, Share, 0)
        {
            ForClusters = "How often a calibrated model shows gaps so large, without bins, if rows are independent; it may be far too "
                + "small here, since rows of a cluster are not independent.",
        },
        new("Brier score", "Mean squared error of all probabilities, 0 to 2 (of a binary model 0 to 1): accuracy and calibration together.",
            metrics => metrics.BrierScore, Number, -1, intervals => intervals.BrierScore),
        new("Log loss", "Mean −ln of the true class's probability: punishes being sure and wrong.",
            metrics => metrics.LogLoss, Number, -1, intervals => intervals.LogLoss),
        Of("… from calibration", "What of the log loss the best temperature would take away (cross-fitted).",
            metrics => metrics.LogLossDecomposition?.Calibration ?? double.NaN, Number, -1) with
        {
            ForClusters = "What of the log loss the best temperature would take away (cross-fitted, as if the rows of a cluster were "
                + "independent).",
        },
        Of("… refinement", "What no temperature takes away: how well the classes are told apart.",
            metrics => metrics.LogLossDecomposition?.Refinement ?? double.NaN, Number, -1),
        Of("Mean entropy", "How undecided the probabilities are, in nats.",
            metrics => metrics.MeanEntropy, Number, 0, intervals => intervals.MeanEntropy),
        Of("AURC", "Area under the risk-coverage curve: the error rate, averaged over all shares of rows kept.",
            metrics => metrics.AccuracyRejectionCurve.AreaUnderRiskCoverageCurve, Number, -1),
        Of("Excess AURC", "AURC above that of a perfect order of the same predictions.",
            metrics => metrics.AccuracyRejectionCurve.ExcessAreaUnderRiskCoverageCurve, Number, -1),
        KeptAt(0.95),
        KeptAt(0.99),
    ];

    /// <summary>The lines for these models; top-k ones only as far as one of the models has them.</summary>
    public static IEnumerable<MetricRow> For(IReadOnlyList<ClassifierCalibrationMetrics> models)
    {
        // k = 1 is the accuracy and the ECE again.
        int most = models.OfType<MulticlassCalibrationMetrics>().SelectMany(metrics => metrics.TopK).Select(top => top.K).DefaultIfEmpty()
            .Max();
        bool isBinary = models[0] is BinaryCalibrationMetrics;
        return [.. All.Where(row => row.IsBinary != !isBinary).Select(row => row.ForClusters is not null
                    && models.Any(metrics => metrics.Measured.Clusters is not null) ? row with { Explanation = row.ForClusters } : row)
                .Where(row => row.Name != "Rows left out" || models.Any(metrics => metrics.SkippedRows > 0)),
            .. Enumerable.Range(2, Math.Max(0, most - 1)).SelectMany(TopK)];
    }

    private static MetricRow Of(string name, string explanation, Func<MulticlassCalibrationMetrics, double> value, string format, int best,
        Func<CalibrationIntervals, ConfidenceInterval>? interval = null) =>
        new(name, explanation, metrics => metrics is MulticlassCalibrationMetrics ofClasses ? value(ofClasses) : double.NaN, format, best,
            interval) { IsBinary = false };

    private static MetricRow KeptAt(double accuracy) => Of(
        Invariant($"Kept at {accuracy:P0}"),
        Invariant($"The largest share of the most confident rows of which at least {accuracy:P0} are correct. Chosen on these rows, it ")
            + "looks better than it is.",
        metrics => metrics.AccuracyRejectionCurve.CoverageAt(accuracy), Share, 1);

    private static IEnumerable<MetricRow> TopK(int k)
    {
        return
        [
            Of($"Top-{k} accuracy", $"Share of rows whose class is among the {k} most probable.", Value(top => top.Accuracy), Share, 1),
            Of($"Top-{k} ECE", $"ECE of the {k} largest probabilities together.", Value(top => top.ExpectedCalibrationError), Share, -1),
        ];

        Func<MulticlassCalibrationMetrics, double> Value(Func<TopKCalibration, double> value)
            => metrics => metrics.TopK.FirstOrDefault(top => top.K == k) is { } top ? value(top) : double.NaN;
    }
}
