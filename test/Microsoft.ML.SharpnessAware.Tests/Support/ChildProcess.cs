using System.Diagnostics;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A program of this repository in a process of its own.</summary>
internal static class ChildProcess
{
    /// <summary>Where the program in that folder of the repository was built: in the configuration of these tests.</summary>
    public static string OutputOf(string project)
    {
        var output = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        DirectoryInfo repository = output.Parent!.Parent!.Parent!.Parent!.Parent!;
        return Path.Combine(repository.FullName, project, "bin", output.Parent.Name, output.Name);
    }

    /// <summary>Starts it and waits for its end.</summary>
    public static (int ExitCode, string Output, string Error) Run(
        string program, string[] arguments, params (string Name, string Value)[] environment)
    {
        using Process process = Start(program, arguments, environment);
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }

    /// <summary>Starts it.</summary>
    public static Process Start(string program, string[] arguments, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("dotnet", [program, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }
}
