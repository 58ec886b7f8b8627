using System.Diagnostics;
using System.Globalization;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>PyTorch in a process of its own, which makes a SAM step whenever it is told to.</summary>
internal sealed class PyTorchPeer : IDisposable
{
    private readonly Process _process;
    private readonly Task<string> _errors;

    private PyTorchPeer(Process process, Task<string> errors, string version, long parameters)
    {
        _process = process;
        _errors = errors;
        Version = version;
        Parameters = parameters;
    }

    /// <summary>The Python to ask; null for that of PYTHON_WITH_TORCH, else the system's.</summary>
    public static string? Python { get; set; }

    public string Version { get; }

    /// <summary>How many its network has, to see that both sides train the same one.</summary>
    public long Parameters { get; }

    /// <summary>The most memory that the process ever held, in bytes.</summary>
    public long PeakMemory => ProcessMemory.Peak(_process.Id);

    /// <summary>Starts it; null and the reason where there is no PyTorch.</summary>
    /// <param name="setting">What it trains.</param>
    /// <param name="threads">How many threads it computes with.</param>
    /// <param name="variant">How.</param>
    /// <param name="problem">Why there is none.</param>
    /// <param name="device">Where, as PyTorch names it.</param>
    public static PyTorchPeer? TryStart(StepSetting setting, int threads, PyTorchVariant variant, out string problem, string device = "cpu")
    {
        (int channels, int height, int width) = setting.Shape;
        ProcessStartInfo start = StartOf(
            "pytorch_step.py", [setting.Architecture, setting.BatchSize, channels, height, width, threads, variant.Argument, device],
            variant.KeepsMemory);
        start.RedirectStandardInput = true;
        try
        {
            Process process = Process.Start(start)!;
            Task<string> errors = process.StandardError.ReadToEndAsync();     // a full pipe would stop it
            if (process.StandardOutput.ReadLine() is string line && line.Split(' ') is [var version, _, var parameters])
            {
                problem = "";
                return new PyTorchPeer(process, errors, version, long.Parse(parameters, CultureInfo.InvariantCulture));
            }

            problem = errors.Result.Trim().Split('\n')[^1];
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
            using Process process = Process.Start(StartOf(script, arguments, keepsMemory: true))!;
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

    /// <summary>Makes a step.</summary>
    public void Step() => Step(1);

    /// <summary>Makes some steps, and returns when the device has done them.</summary>
    public void Step(int count)
    {
        try
        {
            _process.StandardInput.WriteLine(count);
            _process.StandardInput.Flush();
        }
        catch (IOException)
        {
            // It has ended, and says below why.
        }
        if (_process.StandardOutput.ReadLine() != "done")
            throw new InvalidOperationException($"PyTorch failed: {_errors.Result.Trim().Split('\n')[^1]}");
    }

    public void Dispose()
    {
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended already.
        }
        _process.WaitForExit();
        _process.Dispose();
    }

    private static ProcessStartInfo StartOf(string script, object[] arguments, bool keepsMemory)
    {
        string python = Python ?? Environment.GetEnvironmentVariable("PYTHON_WITH_TORCH")
            ?? (File.Exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3");
        ProcessStartInfo start = new(python) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (object argument in arguments.Prepend(Path.Combine(AppContext.BaseDirectory, "Peer", script)))
            start.ArgumentList.Add(string.Create(CultureInfo.InvariantCulture, $"{argument}"));
        if (keepsMemory)
        {
            start.Environment["MALLOC_MMAP_THRESHOLD_"] = "1073741824";
            start.Environment["MALLOC_TRIM_THRESHOLD_"] = "2000000000";
            start.Environment["MALLOC_TOP_PAD_"] = "67108864";
        }
        return start;
    }
}
