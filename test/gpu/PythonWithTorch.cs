using System.ComponentModel;
using System.Diagnostics;

namespace Microsoft.ML.SharpnessAware.Gpu;

/// <summary>A Python that has PyTorch.</summary>
/// <param name="Version">PyTorch's version, such as 2.10.0+cu128.</param>
/// <param name="Cuda">The version of CUDA that it was built for; empty where it was built without.</param>
/// <param name="Folder">Where its libraries are.</param>
/// <param name="DeviceName">What it calls the first GPU; null where it sees none.</param>
internal sealed record PythonWithTorch(string Version, string Cuda, string Folder, string? DeviceName)
{
    /// <summary>The version that TorchSharp's bridge was built for, and the next, which has the functions that it calls.</summary>
    private static readonly string[] FittingVersions = ["2.10", "2.11"];

    private static readonly string Install =
        $"Install PyTorch {FittingVersions[0]} for that Python (pip install torch=={FittingVersions[0]}.0), or name another by --python.";

    /// <summary>Asks a Python.</summary>
    /// <exception cref="CannotBeginException">There is no such Python, or it has no PyTorch, or one that does not fit.</exception>
    public static PythonWithTorch Ask(string python)
    {
        Dictionary<string, string> answers = [];
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(python, [Path.Combine(AppContext.BaseDirectory, "pytorch_probe.py")])
            {
                RedirectStandardOutput = true,
            })!;
            while (process.StandardOutput.ReadLine() is { } line)
                answers[line.Split(' ')[0]] = line[(line + ' ').IndexOf(' ')..].Trim();
            process.WaitForExit();
        }
        catch (Win32Exception exception)
        {
            throw new CannotBeginException($"There is no Python '{python}' ({exception.Message}). Install Python 3 with PyTorch " +
                $"{FittingVersions[0]}, or name one that is installed elsewhere by --python.");
        }

        if (answers.TryGetValue("problem", out string? problem))
            throw new CannotBeginException($"'{python}' cannot import PyTorch: {problem}. {Install}");
        if (!answers.TryGetValue("version", out string? version) || !answers.TryGetValue("folder", out string? folder))
            throw new CannotBeginException($"'{python}' did not say where PyTorch is; is it a Python 3?");
        if (!Fits(version))
        {
            throw new CannotBeginException($"'{python}' has PyTorch {version}, and TorchSharp's library fits " +
                $"{string.Join(" or ", FittingVersions)} only. {Install}");
        }
        return new PythonWithTorch(version, answers.GetValueOrDefault("cuda", ""), folder, answers.GetValueOrDefault("device"));
    }

    private static bool Fits(string version) =>
        Array.Exists(FittingVersions, fitting => version == fitting || version.StartsWith(fitting + ".", StringComparison.Ordinal));
}
