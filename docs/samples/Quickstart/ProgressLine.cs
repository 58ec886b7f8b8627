using Microsoft.ML.SharpnessAware;
using Spectre.Console;

namespace Quickstart;

/// <summary>One line on the console, rewritten after each epoch where the console can do that.</summary>
internal static class ProgressLine
{
    public static void Write(EpochMetrics epoch)
    {
        string line = $"  epoch {epoch.Epoch,2}/{epoch.TotalEpochs}  loss {epoch.TrainLoss:F3}  validation accuracy " +
            $"{epoch.ValidationAccuracy:P1} " +
                      $"ECE {epoch.ValidationExpectedCalibrationError:P1}  {epoch.ImagesPerSecond:F0} img/s";
        if (AnsiConsole.Profile.Capabilities.Ansi && epoch.Epoch < epoch.TotalEpochs)
            AnsiConsole.Write(line.PadRight(AnsiConsole.Profile.Width - 1) + "\r");
        else
            AnsiConsole.WriteLine(line);
    }
}
