namespace MLSharpness.Cli;

/// <summary>What the process returns.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>As System.CommandLine has it.</summary>
    public const int WrongUsage = 1;

    /// <summary>The data, a file or a setting is at fault; the message says which.</summary>
    public const int Failure = 2;

    /// <summary>Ctrl+C; 128 + SIGINT, as shells have it. <see cref="StopSignals.ExitCode"/> knows which signal it was.</summary>
    public const int Cancelled = 130;
}
