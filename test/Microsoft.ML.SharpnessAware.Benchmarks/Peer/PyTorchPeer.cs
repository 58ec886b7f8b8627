using System.Diagnostics;
using System.Globalization;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>PyTorch in a process of its own, which makes a SAM step whenever it is told to.</summary>
internal sealed class PyTorchPeer : IDisposable
{
    private readonly Process _process;

    private PyTorchPeer(Process process, string version, long parameters)
    {
        _process = process;
        Version = version;
        Parameters = parameters;
    }

    public string Version { get; }

    /// <summary>How many its network has, to see that both sides train the same one.</summary>
    public long Parameters { get; }

    /// <summary>The most memory that the process ever held, in bytes.</summary>
    public long PeakMemory => ProcessMemory.Peak(_process.Id);

    /// <summary>Starts it; null and the reason where there is no PyTorch.</summary>
    /// <param name="setting">What it trains.</param>
    /// <param name="threads">How many threads it computes with.</param>
    /// <param name="tuned">With channels last and a C library that keeps freed memory, as <see cref="AllocatorTuning"/> does here.</param>
    /// <param name="problem">Why there is none.</param>
    public static PyTorchPeer? TryStart(StepSetting setting, int threads, bool tuned, out string problem)
    {
        (int channels, int height, int width) = setting.Shape;
        ProcessStartInfo start = Python(
            "pytorch_step.py", [setting.Architecture, setting.BatchSize, channels, height, width, threads, tuned ? "channels_last" : "plain"],
            tuned);
        start.RedirectStandardInput = true;
        try
        {
            Process process = Process.Start(start)!;
            if (process.StandardOutput.ReadLine() is string line && line.Split(' ') is [var version, _, var parameters])
            {
                problem = "";
                return new PyTorchPeer(process, version, long.Parse(parameters, CultureInfo.InvariantCulture));
            }

            problem = process.StandardError.ReadToEnd().Trim().Split('\n')[^1];
            process.Dispose();
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            problem = exception.Message;
        }

        return null;
    }

    /// <summary>Runs a script to its end.</summary>
    /// <returns>Its first line, and where there is none the last of what went wrong.</returns>
    public static (string Output, string Problem) Run(string script, object[] arguments)
    {
        try
        {
            using Process process = Process.Start(Python(script, arguments, tuned: true))!;
            Task<string> errors = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (output.Trim(), errors.Result.Trim().Split('\n')[^1]);
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            return ("", exception.Message);
        }
    }

    public void Step()
    {
        _process.StandardInput.WriteLine();
        _process.StandardInput.Flush();
        if (_process.StandardOutput.ReadLine() != "done")
            throw new InvalidOperationException($"PyTorch failed: {_process.StandardError.ReadToEnd()}");
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }

    private static ProcessStartInfo Python(string script, object[] arguments, bool tuned)
    {
        string python = Environment.GetEnvironmentVariable("PYTHON_WITH_TORCH")
            ?? (File.Exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3");
        ProcessStartInfo start = new(python) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (object argument in arguments.Prepend(Path.Combine(AppContext.BaseDirectory, "Peer", script)))
            start.ArgumentList.Add(string.Create(CultureInfo.InvariantCulture, $"{argument}"));
        if (tuned)
        {
            start.Environment["MALLOC_MMAP_THRESHOLD_"] = "1073741824";
            start.Environment["MALLOC_TRIM_THRESHOLD_"] = "2000000000";
            start.Environment["MALLOC_TOP_PAD_"] = "67108864";
        }
        return start;
    }
}
