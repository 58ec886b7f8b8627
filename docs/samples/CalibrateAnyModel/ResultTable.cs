using Microsoft.ML.SharpnessAware;
using Spectre.Console;

namespace CalibrateAnyModel;

/// <summary>One line for each model and calibrator.</summary>
internal sealed class ResultTable
{
    private readonly Table _table = new Table { Title = new TableTitle("Test images; in brackets the 95 % bootstrap interval") }
        .AddColumns("Model", "Calibrator", "Accuracy", "ECE", "Classwise ECE", "Log loss", "Brier");

    public void Add(string model, string calibrator, MulticlassCalibrationMetrics metrics)
    {
        ConfidenceInterval ece = metrics.Bootstrap().ExpectedCalibrationError;
        _table.AddRow(
            model,
            calibrator,
            $"{metrics.Accuracy:P1}",
            Markup.Escape($"{ece.Estimate:P1} [{ece.Lower:P1}, {ece.Upper:P1}]"),
            $"{metrics.ClasswiseCalibrationError:P2}",
            $"{metrics.LogLoss:F3}",
            $"{metrics.BrierScore:F3}");
    }

    public void Write() => AnsiConsole.Write(_table.Border(TableBorder.Simple));
}
