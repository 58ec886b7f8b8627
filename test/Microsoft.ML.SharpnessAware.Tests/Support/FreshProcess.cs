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

    public static (int ExitCode, string Output, string Error) Run(string folder, string modelPath, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(folder, Name + ".dll"), modelPath])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }
}
