using System.Diagnostics;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Runs the program of the project FreshProcess.</summary>
internal static class FreshProcess
{
    private const string Name = "Microsoft.ML.SharpnessAware.FreshProcess";

    /// <summary>Where the program was built.</summary>
    public static string Folder => Path.GetDirectoryName(ChildProcess.File(Name))!;

    /// <summary>Starts it and waits for its end.</summary>
    public static (int ExitCode, string Output, string Error) Run(
        string folder, string[] arguments, params (string Name, string Value)[] environment) =>
        ChildProcess.Run(Program(folder), arguments, environment);

    /// <summary>Starts it.</summary>
    public static Process Start(string folder, string[] arguments, params (string Name, string Value)[] environment) =>
        ChildProcess.Start(Program(folder), arguments, environment);

    private static string Program(string folder) => Path.Combine(folder, Name + ".dll");
}
