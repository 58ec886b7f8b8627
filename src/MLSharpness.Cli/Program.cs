using System.CommandLine;
using System.CommandLine.Invocation;
using System.Globalization;
using System.Text;
using Microsoft.ML.SharpnessAware;
using MLSharpness.Cli;

AllocatorTuning.KeepFreedMemory();
CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
Console.OutputEncoding = Encoding.UTF8;
var root = new RootCommand("""
    Image classifiers that know how sure they are: SAM, SSAM and CSAM for ML.NET.

    Results go to standard output, progress and messages to standard error.
    Exit codes: 0 done, 1 wrong usage, 2 data, file or setting at fault, 130 stopped by Ctrl+C, 143 by SIGTERM.
    """)
{
    TrainCommand.Create(),
    EvaluateCommand.Create(),
    PredictCommand.Create(),
    CompareCommand.Create(),
    CompareScoresCommand.Create(),
    ReportCommand.Create(),
};
// An argument that begins with @ is a name like any other, not a file of arguments.
ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
using var messages = new PrintableWriter(Console.Error);
// Errors are shown by CommandAction, and signals are those of StopSignals.
var invocation = new InvocationConfiguration
{
    EnableDefaultExceptionHandler = false,
    ProcessTerminationTimeout = null,
    Error = messages,
};
if (parsed.Action is ParseErrorAction)
    invocation.Output = messages;       // the help that goes with an error is no result
int exitCode = await parsed.InvokeAsync(invocation, StopSignals.Listen(messages));
return exitCode == ExitCode.Cancelled ? StopSignals.ExitCode ?? exitCode : exitCode;
