using System.CommandLine;
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
    Exit codes: 0 done, 1 wrong usage, 2 data, file or setting at fault, 130 stopped by Ctrl+C.
    """)
{
    TrainCommand.Create(),
    EvaluateCommand.Create(),
    PredictCommand.Create(),
    CompareCommand.Create(),
    CompareScoresCommand.Create(),
    ReportCommand.Create(),
};
// Errors are shown by CommandAction. After Ctrl+C a training finishes its step and saves its best model, for which this is ample time.
// An argument that begins with @ is a name like any other, not a file of arguments.
return await root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null }).InvokeAsync(
    new InvocationConfiguration
    {
        EnableDefaultExceptionHandler = false,
        ProcessTerminationTimeout = TimeSpan.FromMinutes(1),
        Error = new PrintableWriter(Console.Error),
    });
