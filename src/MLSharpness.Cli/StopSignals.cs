using System.Diagnostics;
using System.Runtime.InteropServices;

namespace MLSharpness.Cli;

/// <summary>Ctrl+C and SIGTERM. The first asks for a stop in order; another one, or a stop that takes a minute, ends the process at
/// once.</summary>
/// <remarks>After two signals System.CommandLine's own handling lets such a process end in an unhandled exception.</remarks>
internal static partial class StopSignals
{
    // `timeout` sends a signal to a process and then to its group: what comes so soon is the same wish.
    private static readonly TimeSpan Same = TimeSpan.FromSeconds(1);

    // A training finishes its step and saves its best model.
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan LongestWord = TimeSpan.FromSeconds(0.5);

    private const nint CurrentProcess = -1;

    private static readonly CancellationTokenSource Source = new();
    private static readonly List<PosixSignalRegistration> Registrations = [];
    private static long _first;

    /// <summary>128 + the number of the first signal, as shells have it: what the process returns; null where none came.</summary>
    public static int? ExitCode { get; private set; }

    /// <summary>Listens until the process has ended.</summary>
    /// <param name="messages">What gets a word where a stop takes long.</param>
    /// <returns>What is cancelled by the first signal.</returns>
    public static CancellationToken Listen(TextWriter messages)
    {
        foreach ((PosixSignal signal, int exitCode) in new[] { (PosixSignal.SIGINT, 130), (PosixSignal.SIGTERM, 143) })
        {
            Registrations.Add(PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                long first = Interlocked.CompareExchange(ref _first, Stopwatch.GetTimestamp(), 0);
                if (first == 0)
                {
                    ExitCode = exitCode;
                    _ = Watch(messages);
                    Source.Cancel();
                }
                else if (Stopwatch.GetElapsedTime(first) > Same)
                {
                    EndAtOnce(messages);
                }
            }));
        }

        return Source.Token;
    }

    private static async Task Watch(TextWriter messages)
    {
        await Task.Delay(Same);
        Say(messages, "Stopping …; once more ends at once.");
        await Task.Delay(Longest - Same);
        EndAtOnce(messages);
    }

    // Whoever reads the messages may read no more, or their disk be full: the end does not wait for that. On a terminal there may be a line
    // of progress.
    private static void Say(TextWriter messages, string words)
    {
        Task said = Task.Run(() => messages.WriteLine(Console.IsErrorRedirected ? words : Environment.NewLine + words));
        Task.WaitAny([said], LongestWord);
    }

    private static void EndAtOnce(TextWriter messages)
    {
        Say(messages, "Ended at once.");
        // Environment.Exit frees what libtorch's threads are working with: an exit code of 139 in place of this.
        if (OperatingSystem.IsWindows())
            EndProcess(CurrentProcess, (uint)ExitCode!.Value);
        else
            End(ExitCode!.Value);
    }

    [LibraryImport("libc", EntryPoint = "_exit")]
    private static partial void End(int exitCode);

    [LibraryImport("kernel32", EntryPoint = "TerminateProcess")]
    private static partial int EndProcess(nint process, uint exitCode);
}
