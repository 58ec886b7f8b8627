using System.CommandLine;
using Microsoft.ML;
using Microsoft.ML.SharpnessAware;
using Spectre.Console;

namespace MLSharpness.Cli;

/// <summary>What all commands share: an MLContext whose warnings are shown, and errors in one line with an exit code.</summary>
internal static class CommandAction
{
    public static readonly Option<bool> Json = new("--json") { Description = "Print one JSON document, for programs to read." };

    /// <summary>The seed of commands that train.</summary>
    public static readonly Option<int> Seed = new("--seed") { Description = "Seed of everything random.", DefaultValueFactory = _ => 1 };

    /// <summary>The seed of commands that only measure, in which nothing else is random; the library's own by default.</summary>
    public static readonly Option<int> SeedOfIntervals = new("--seed")
    {
        Description = "Seed of the resamples that intervals come from.", DefaultValueFactory = _ => 0,
    };

    /// <summary>In what is redirected, a log or a file, a line is one line, whatever its length.</summary>
    public const int UnbrokenWidth = 1 << 16;

    // Where the trainer's messages come from.
    private const string Trainer = nameof(SharpnessAwareImageClassificationTrainer);

    /// <summary>Makes <paramref name="action"/> what <paramref name="command"/> does.</summary>
    /// <param name="command">The command.</param>
    /// <param name="action">What it does.</param>
    /// <param name="seed">The seed of what is random in it; null where nothing is.</param>
    /// <param name="tells">Whether what the trainer tells of its choices is shown, besides warnings.</param>
    public static void Set(Command command, Action<CommandContext> action, Option<int>? seed = null, bool tells = false)
    {
        command.Options.Add(Json);
        if (seed is not null)
            command.Options.Add(seed);
        // An asynchronous action is the only kind that gets the token of Ctrl+C.
        command.SetAction((parsed, cancellation) => Task.Run(() => Run(parsed, cancellation, action, seed, tells)));
    }

    /// <summary>Whether a message is one of the trainer's, and not that of an epoch, which has its line of progress.</summary>
    private static bool IsOfTrainer(LoggingEventArgs log) =>
        log.Kind == Microsoft.ML.Runtime.ChannelMessageKind.Info && log.Source.Contains(Trainer, StringComparison.Ordinal) &&
        !log.RawMessage.StartsWith("Epoch ", StringComparison.Ordinal);

    private static int Run(
        ParseResult parsed, CancellationToken cancellation, Action<CommandContext> action, Option<int>? seed, bool tells)
    {
        IAnsiConsole messages = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        if (Console.IsErrorRedirected)
        {
            messages.Profile.Width = UnbrokenWidth;
            messages.Profile.Capabilities.Ansi = false;     // a log is no terminal, though Spectre takes those of build servers for one
        }

        if (MistypedOption.Find(parsed) is string mistyped)
        {
            messages.WriteLine(Printable.Lines(mistyped));
            return ExitCode.WrongUsage;
        }

        int chosenSeed = seed is null ? 0 : parsed.GetValue(seed);
        var mlContext = new MLContext(chosenSeed);
        mlContext.Log += (_, log) =>
        {
            if (log.Kind >= Microsoft.ML.Runtime.ChannelMessageKind.Warning)
                messages.WriteLine(Printable.Lines($"warning: {OwnWords.Of(log.RawMessage)}"));
            else if (tells && IsOfTrainer(log))
                messages.WriteLine(Printable.Lines(OwnWords.Of(log.RawMessage)));
        };
        try
        {
            action(new CommandContext(mlContext, parsed, chosenSeed, messages, cancellation));
            return ExitCode.Success;
        }
        catch (Exception exception)
        {
            // ML.NET wraps what a model's loader throws, and may wrap what ends a reader.
            Exception root = exception.GetBaseException();
            Exception cause = exception is System.Reflection.TargetInvocationException || root is OperationCanceledException
                ? root : exception;
            string message = OwnWords.Of(cause);
            messages.WriteLine(Printable.Lines(cause is OperationCanceledException ? message : $"error: {message}"));
            return cause is OperationCanceledException ? ExitCode.Cancelled : ExitCode.Failure;
        }
    }
}
