using System.Diagnostics;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Runs the program of the project FreshProcess.</summary>
internal static class FreshProcess
{
    private const string Name = "Microsoft.ML.SharpnessAware.FreshProcess";

    /// <summary>Where the program was built: beside this test project, in the same configuration.</summary>
    public static string Folder
    {
        get
        {
            var output = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
            string tests = output.Parent!.Parent!.Parent!.Parent!.FullName;
            return Path.Combine(tests, Name, "bin", output.Parent.Name, output.Name);
        }
    }

    /// <summary>Starts it and waits for its end.</summary>
    public static (int ExitCode, string Output, string Error) Run(
        string folder, string[] arguments, params (string Name, string Value)[] environment)
    {
        using Process process = Start(folder, arguments, environment);
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }

    /// <summary>Starts it.</summary>
    public static Process Start(string folder, string[] arguments, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(folder, Name + ".dll"), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }
}
