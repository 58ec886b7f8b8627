using Microsoft.ML.SharpnessAware;
using Spectre.Console;

namespace MLSharpness.Cli;

/// <summary>Metrics as a table for people and as an object for programs, with the intervals of a seed.</summary>
internal static class MetricsOutput
{
    public static object Json(MulticlassCalibrationMetrics metrics, int seed)
    {
        CalibrationIntervals intervals = metrics.Bootstrap(seed: seed);
        return new
        {
            metrics.Count,
            metrics.SkippedRows,
            metrics.NumberOfClasses,
            metrics.Accuracy,
            accuracyInterval = Ends(intervals.Accuracy),
            metrics.MeanConfidence,
            metrics.ExpectedCalibrationError,
            expectedCalibrationErrorInterval = Ends(intervals.ExpectedCalibrationError),
            metrics.AdaptiveCalibrationError,
            metrics.ClasswiseCalibrationError,
            metrics.MaximumCalibrationError,
            metrics.BrierScore,
            brierScoreInterval = Ends(intervals.BrierScore),
            metrics.LogLoss,
            logLossInterval = Ends(intervals.LogLoss),
            areaUnderRiskCoverageCurve = metrics.AccuracyRejectionCurve.AreaUnderRiskCoverageCurve,
        };

        static double[] Ends(ConfidenceInterval interval) => [interval.Lower, interval.Upper];
    }

    /// <summary>One model, a metric a row.</summary>
    public static Table Table(MulticlassCalibrationMetrics metrics, int seed)
    {
        CalibrationIntervals intervals = metrics.Bootstrap(seed: seed);
        Table table = new Table { Border = TableBorder.Simple }
            .AddColumn("").AddColumn($"{metrics.Count} images", column => column.RightAligned()).AddColumn("95 % interval");
        Add("Accuracy", intervals.Accuracy, "P1");
        Add("Mean confidence", intervals.MeanConfidence, "P1");
        Add("Expected calibration error", intervals.ExpectedCalibrationError, "P1");
        Add("Adaptive calibration error", intervals.AdaptiveCalibrationError, "P1");
        table.AddRow("Classwise calibration error", $"{metrics.ClasswiseCalibrationError:P1}", "");
        Add("Log loss", intervals.LogLoss, "F3");
        Add("Brier score", intervals.BrierScore, "F3");
        foreach (double accuracy in new[] { 0.95, 0.99 })
        {
            double coverage = metrics.AccuracyRejectionCurve.CoverageAt(accuracy);
            table.AddRow($"Most confident images, of which {accuracy:P0} are correct here", $"{coverage:P0}",
                coverage > 0 ? $"from confidence {metrics.AccuracyRejectionCurve.ThresholdAt(accuracy):F3}" : "");
        }

        return table;

        void Add(string name, ConfidenceInterval interval, string format) =>
            table.AddRow(name, interval.Estimate.ToString(format),
                $"{interval.Lower.ToString(format)} to {interval.Upper.ToString(format)}");
    }

    /// <summary>Several models, each a row.</summary>
    public static Table Table(IEnumerable<(string Name, MulticlassCalibrationMetrics Metrics)> rows, int seed)
    {
        Table table = new Table { Border = TableBorder.Simple }
            .AddColumns("", "Images", "Accuracy %", "Confidence %", "ECE % (95 %)", "AdaECE %", "Log loss", "Brier");
        foreach ((string name, MulticlassCalibrationMetrics metrics) in rows)
        {
            ConfidenceInterval ece = metrics.Bootstrap(seed: seed).ExpectedCalibrationError;
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
