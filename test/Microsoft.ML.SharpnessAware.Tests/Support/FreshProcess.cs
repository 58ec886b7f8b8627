using System.Diagnostics;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Runs the program of the project FreshProcess.</summary>
internal static class FreshProcess
{
    private const string Name = "Microsoft.ML.SharpnessAware.FreshProcess";

    /// <summary>Where the program was built.</summary>
    public static string Folder => Path.GetDirectoryName(ChildProcess.File(Name))!;

    /// <summary>Its file.</summary>
    public static string Program => ProgramIn(Folder);

    /// <summary>Starts it and waits for its end.</summary>
    public static (int ExitCode, string Output, string Error) Run(
        string folder, string[] arguments, params (string Name, string Value)[] environment) =>
        ChildProcess.Run(ProgramIn(folder), arguments, environment);

    /// <summary>Starts it.</summary>
    public static Process Start(string folder, string[] arguments, params (string Name, string Value)[] environment) =>
        ChildProcess.Start(ProgramIn(folder), arguments, environment);

    private static string ProgramIn(string folder) => Path.Combine(folder, Name + ".dll");
}
