using System.CommandLine;
using System.Text.Json;
using Microsoft.ML;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace MLSharpness.Cli;

/// <summary>What a command works with. Results go to standard output, messages and progress to standard error.</summary>
internal sealed record CommandContext(
    MLContext MLContext, ParseResult Parsed, int Seed, IAnsiConsole Messages, CancellationToken Cancellation)
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    public T Value<T>(Option<T> option) => Parsed.GetValue(option)!;

    public T Value<T>(Argument<T> argument) => Parsed.GetValue(argument)!;

    /// <summary>Whether the user has given an option, rather than left it to its default.</summary>
    public bool IsGiven(Option option) => Parsed.GetResult(option) is { Implicit: false };

    /// <summary>The same rows; who reads on after Ctrl+C gets an <see cref="OperationCanceledException"/>.</summary>
    public IDataView Stoppable(IDataView rows) => MLContext.Data.FilterByCustomPredicate<NoColumns>(rows, _ =>
    {
        Cancellation.ThrowIfCancellationRequested();
        return false;       // no row is left out
    });

    /// <summary>A line on standard error.</summary>
    public void Say(string message) => Messages.WriteLine(Printable.Lines(message));

    /// <summary>Prints <paramref name="json"/> where --json was given, else <paramref name="text"/>.</summary>
    /// <param name="json">For programs.</param>
    /// <param name="text">For people.</param>
    /// <param name="besideOutput">Whether standard output has something else, so that this goes to standard error.</param>
    public void Write(object json, IRenderable text, bool besideOutput = false)
    {
        if (Value(CommandAction.Json))
        {
            (besideOutput ? Console.Error : Console.Out).WriteLine(JsonSerializer.Serialize(json, Json));
            return;
        }

        if (Console.IsOutputRedirected)
        {
            AnsiConsole.Profile.Width = CommandAction.UnbrokenWidth;
            AnsiConsole.Profile.Capabilities.Ansi = false;
        }

        (besideOutput ? Messages : AnsiConsole.Console).Write(text);
    }

    private sealed class NoColumns;
}
