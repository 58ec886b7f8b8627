using System.Diagnostics;
using System.Globalization;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>A run of this program by itself, so that two libraries that are compared do not disturb each other's threads and
/// memory.</summary>
internal static class ChildProcess
{
    /// <summary>Waits for the end of a run with these arguments and returns the numbers that it wrote.</summary>
    /// <exception cref="InvalidOperationException">It failed; what it wrote to its standard error is above.</exception>
    public static double[] Run(params string[] arguments)
    {
        ProcessStartInfo start = new(Environment.ProcessPath!) { RedirectStandardOutput = true };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
            start.ArgumentList.Add(Environment.GetCommandLineArgs()[0]);
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        using Process process = Process.Start(start)!;
        string[] numbers = process.StandardOutput.ReadToEnd().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        process.WaitForExit();
        return process.ExitCode == 0
            ? [.. numbers.Select(number => double.Parse(number, CultureInfo.InvariantCulture))]
            : throw new InvalidOperationException($"The process '{string.Join(' ', arguments)}' ended with code {process.ExitCode}.");
    }
}
