using Microsoft.ML.SharpnessAware;
using Spectre.Console;

namespace MLSharpness.Cli;

/// <summary>One line on standard error, rewritten after each epoch where the console can do that.</summary>
internal sealed class Progress(IAnsiConsole console, string prefix = "")
{
    public void Report(EpochMetrics epoch)
    {
        TimeSpan left = epoch.Duration * (epoch.TotalEpochs - epoch.Epoch);
        string phase = epoch.Phase is null ? "" : $"{epoch.Phase}, ";
        string line = $"{Printable.Of(prefix)}{phase}epoch {epoch.Epoch}/{epoch.TotalEpochs}  loss {epoch.TrainLoss:F3}  " +
                      $"accuracy {epoch.ValidationAccuracy:P1}  " +
                      $"ECE {epoch.ValidationExpectedCalibrationError:P1}  {(long)left.TotalHours}:{left:mm\\:ss} left";
        if (console.Profile.Capabilities.Ansi && epoch.Epoch < epoch.TotalEpochs)
            console.Write(RewrittenLine.Of(line, console.Profile.Width) + "\r");
        else
            console.WriteLine(line);
    }
}
