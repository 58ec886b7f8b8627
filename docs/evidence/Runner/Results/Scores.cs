using Microsoft.ML.SharpnessAware;

namespace MLSharpness.Evidence.Results;

/// <summary>What is measured of a network's probabilities, as columns.</summary>
internal static class Scores
{
    /// <summary>The columns of <see cref="Of"/>. tce and those that begin with ts_ are after temperature scaling on validation
    /// images.</summary>
    public static readonly string[] Columns =
    [
        "accuracy", "ece", "adaece", "cwece", "log_loss", "brier", "confidence",
        "temperature", "tce", "ts_adaece", "ts_cwece", "ts_log_loss", "ts_brier",
    ];

    public static double[] Of(MulticlassCalibrationMetrics raw, MulticlassCalibrationMetrics scaled, double temperature) =>
    [
        raw.Accuracy, raw.ExpectedCalibrationError, raw.AdaptiveCalibrationError, raw.ClasswiseCalibrationError, raw.LogLoss,
            raw.BrierScore,
        raw.MeanConfidence, temperature, scaled.ExpectedCalibrationError, scaled.AdaptiveCalibrationError, scaled.ClasswiseCalibrationError,
        scaled.LogLoss, scaled.BrierScore,
    ];
}
