using System.Diagnostics;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A program of this repository in a process of its own.</summary>
internal static class ChildProcess
{
    /// <summary>The file of a program that the project of these tests refers to, wherever it was built.</summary>
    public static string File(string name) => AssemblyMetadata.Value(name);

    /// <summary>Starts it and waits for its end.</summary>
    public static (int ExitCode, string Output, string Error) Run(
        string program, string[] arguments, params (string Name, string Value)[] environment)
    {
        using Process process = Start(program, arguments, environment);
        return Ended(process);
    }

    /// <summary>As <see cref="Run"/>, without root's right to enter what is closed. Linux.</summary>
    public static (int ExitCode, string Output, string Error) RunWithoutPrivileges(
        string program, string[] arguments, params (string Name, string Value)[] environment)
    {
        const string Rights = "-dac_override,-dac_read_search";
        using Process process = StartCommand(
            "setpriv", [$"--bounding-set={Rights}", $"--inh-caps={Rights}", "dotnet", program, .. arguments], environment);
        return Ended(process);
    }

    /// <summary>Starts it.</summary>
    public static Process Start(string program, string[] arguments, params (string Name, string Value)[] environment) =>
        StartCommand("dotnet", [program, .. arguments], environment);

    private static (int ExitCode, string Output, string Error) Ended(Process process)
    {
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }

    private static Process StartCommand(string command, string[] arguments, (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(command, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }
}
