using Microsoft.ML.SharpnessAware;
using Spectre.Console;

namespace MLSharpness.Cli;

/// <summary>Metrics as a table for people and as an object for programs.</summary>
internal static class MetricsOutput
{
    public static object Json(MulticlassCalibrationMetrics metrics)
    {
        CalibrationIntervals intervals = metrics.Bootstrap();
        return new
        {
            metrics.Count,
            metrics.SkippedRows,
            metrics.NumberOfClasses,
            metrics.Accuracy,
            metrics.MeanConfidence,
            metrics.ExpectedCalibrationError,
            ExpectedCalibrationErrorInterval = new[] { intervals.ExpectedCalibrationError.Lower, intervals.ExpectedCalibrationError.Upper },
            metrics.AdaptiveCalibrationError,
            metrics.ClasswiseCalibrationError,
            metrics.MaximumCalibrationError,
            metrics.BrierScore,
            metrics.LogLoss,
            AreaUnderRiskCoverageCurve = metrics.AccuracyRejectionCurve.AreaUnderRiskCoverageCurve,
        };
    }

    public static Table Table(IEnumerable<(string Name, MulticlassCalibrationMetrics Metrics)> rows)
    {
        Table table = new Table { Border = TableBorder.Simple }
            .AddColumns("", "Images", "Accuracy %", "Confidence %", "ECE % (95 %)", "AdaECE %", "Log loss", "Brier");
        foreach ((string name, MulticlassCalibrationMetrics metrics) in rows)
        {
            ConfidenceInterval ece = metrics.Bootstrap().ExpectedCalibrationError;
            table.AddRow(
                new Text(name),
                new Text($"{metrics.Count}"),
                new Text($"{100 * metrics.Accuracy:F1}"),
                new Text($"{100 * metrics.MeanConfidence:F1}"),
                new Text($"{100 * ece.Estimate:F1} ({100 * ece.Lower:F1} to {100 * ece.Upper:F1})"),
                new Text($"{100 * metrics.AdaptiveCalibrationError:F1}"),
                new Text($"{metrics.LogLoss:F3}"),
                new Text($"{metrics.BrierScore:F3}"));
        }

        return table;
    }
}
