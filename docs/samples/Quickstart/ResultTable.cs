using Microsoft.ML.SharpnessAware;
using Spectre.Console;

namespace Quickstart;

/// <summary>The table at the end: each method before and after temperature scaling.</summary>
internal sealed class ResultTable
{
    private readonly Table _table = new Table { Title = new TableTitle("Test images, before → after temperature scaling") }
        .AddColumns("Method", "Accuracy", "ECE", "AdaECE", "Log loss", "Brier", "T", "Seconds");

    public void Add(string method, MulticlassCalibrationMetrics before, MulticlassCalibrationMetrics after, double temperature,
        TimeSpan time) =>
        _table.AddRow(
            method,
            $"{after.Accuracy:P1}",
            $"{before.ExpectedCalibrationError:P1} → {after.ExpectedCalibrationError:P1}",
            $"{before.AdaptiveCalibrationError:P1} → {after.AdaptiveCalibrationError:P1}",
            $"{before.LogLoss:F3} → {after.LogLoss:F3}",
            $"{before.BrierScore:F3} → {after.BrierScore:F3}",
            $"{temperature:F2}",
            $"{time.TotalSeconds:F0}");

    public void Write() => AnsiConsole.Write(_table.Border(TableBorder.Simple));
}
