using Microsoft.ML.SharpnessAware;
using Spectre.Console;

namespace CalibrateAnyModel;

/// <summary>One line for each model and calibrator.</summary>
internal sealed class ResultTable
{
    private readonly Table _table = new Table { Title = new TableTitle("Test images; in brackets the 95 % bootstrap interval") }
        .AddColumns("Model", "Calibrator", "Accuracy %", "ECE %", "Classwise ECE %", "Log loss", "Brier");

    public void Add(string model, string calibrator, MulticlassCalibrationMetrics metrics)
    {
        ConfidenceInterval ece = metrics.Bootstrap().ExpectedCalibrationError;
        _table.AddRow(
            model,
            calibrator,
            $"{100 * metrics.Accuracy:F1}",
            Markup.Escape($"{100 * ece.Estimate:F1} [{100 * ece.Lower:F1}, {100 * ece.Upper:F1}]"),
            $"{100 * metrics.ClasswiseCalibrationError:F2}",
            $"{metrics.LogLoss:F3}",
            $"{metrics.BrierScore:F3}");
    }

    public void Write() => AnsiConsole.Write(_table.Border(TableBorder.Simple));
}
