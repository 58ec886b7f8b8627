using System.Globalization;
using Microsoft.ML.SharpnessAware.Benchmarks;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
Dictionary<string, (string Help, Action Run)> benchmarks = new()
{
    ["steps"] = ("a SAM step against two plain passes; SSAM and CSAM against SAM", () => StepBenchmark.Run()),
    ["pytorch"] = ("our SAM step against PyTorch's", () => PeerBenchmark.Run(tuneOurs: !args.Contains("--plain"))),
    ["evaluate"] = ("EvaluateCalibration against ML.NET's Evaluate", EvaluateBenchmark.Run),
    ["small-sample"] = ("calibration errors of a calibrated model on few rows", SmallSampleTable.Run),
};
if (args.FirstOrDefault() is string name && benchmarks.TryGetValue(name, out var benchmark))
{
    benchmark.Run();
    return 0;
}

Console.WriteLine("Usage: dotnet run -c Release --project test/Microsoft.ML.SharpnessAware.Benchmarks -- <benchmark>");
foreach ((string each, (string help, _)) in benchmarks)
    Console.WriteLine($"  {each,-14}{help}");
return 1;
