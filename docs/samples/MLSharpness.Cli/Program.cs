using System.CommandLine;
using Microsoft.ML.SharpnessAware;
using MLSharpness.Cli;

AllocatorTuning.KeepFreedMemory();
var root = new RootCommand("Image classifiers that know how sure they are: SAM, SSAM and CSAM for ML.NET.")
{
    TrainCommand.Create(),
    EvaluateCommand.Create(),
    PredictCommand.Create(),
    CompareCommand.Create(),
    ReportCommand.Create(),
};
ParseResult parsed = root.Parse(args);
// Errors are shown by CommandAction; after Ctrl+C a training may finish its step and save its best model.
return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = TimeSpan.FromMinutes(1) });
