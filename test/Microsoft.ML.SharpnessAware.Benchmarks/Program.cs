using System.Globalization;
using Microsoft.ML.SharpnessAware.Benchmarks;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
bool ok = true;
Dictionary<string, (string Help, Action Run)> benchmarks = new()
{
    ["steps"] = ("a SAM step against two plain passes; SSAM and CSAM against SAM", () => StepBenchmark.Run()),
    ["pytorch"] = ("our SAM step against PyTorch's", () => PeerBenchmark.Run(tuneOurs: !args.Contains("--plain"))),
    ["bfloat16"] = ("what bfloat16 would gain, and what it would do to the climb", BFloat16Benchmark.Run),
    ["quick"] = ("a minute of all of it; fails where a ratio is far off", () => ok = QuickBenchmark.Run()),
    ["micro"] = ("BenchmarkDotNet on flat vectors, metrics and decoding; its options follow", () => MicroBenchmarks.Run(args[1..])),
    ["epoch"] = ("a whole epoch of a training against the bare steps in it", EpochBenchmark.Run),
    ["cheaper"] = ("whole trainings with rarer and smaller climbs against SGD; rounds may follow",
        () => CheaperBenchmark.Run(Number(1, 5))),
    ["scaling"] = ("under mpirun: sums over processes, and steps of ResNet-20 with the exchange of gradients; sums alone with --sums",
        () => ScalingBenchmark.Run(network: !args.Contains("--sums"))),
    ["time-to-target"] = ("seconds until a network has an accuracy and a log loss; both, seeds, and ways of training, may follow",
        () => TimeToTargetBenchmark.Run(args[1..])),
    ["growth"] = ("how time grows with images, classes, layers and image size", GrowthBenchmark.Run),
    ["memory"] = ("resident memory over 2,000 steps", MemoryBenchmark.Run),
    ["feature-memory"] = ("resident memory while pictures become features; how many may follow",
        () => FeatureMemoryBenchmark.Run(Number(1, 1000))),
    ["allocation"] = ("managed memory that a step allocates", AllocationBenchmark.Run),
    ["scoring"] = ("Transform of 10,000 rows against raw forward passes, and row by row", () => ScoringBenchmark.Run()),
    ["batches"] = ("how the time of an image depends on how many are scored together", BatchSizeBenchmark.Run),
    ["single"] = ("one image through a prediction engine", SingleImageBenchmark.Run),
    ["features"] = (
        "FeaturizeImages against ONNX Runtime on the same network, batches and single images, in processes in turns; rounds may follow",
        () => FeaturesBenchmark.Run(Number(1, 9))),
    ["features-child"] = ("one process of 'features'", () => FeaturesBenchmark.RunChild(args[1], args[2], Number(3, 1))),
    ["onnx"] = (
        "MLSharpness.Onnx, float32 and Int8, against libtorch, batches and single images, in processes in turns; a network may follow",
        () => OnnxBenchmark.Run(args.ElementAtOrDefault(1))),
    ["onnx-photographs"] = ("JPEG files by MLSharpness.Onnx, decoding with it", PhotographScoringBenchmark.Run),
    ["onnx-resize"] = ("differences between a file saved with Resize and Transform; a folder of pictures follows",
        () => OnnxResizeBenchmark.Run(args[1])),
    ["quantize"] = ("size, accuracy and calibration of a model in 8-bit integers; a network or a folder of pictures follows",
        () => QuantizeBenchmark.Run(args.ElementAtOrDefault(1) ?? "resnet8")),
    ["onnx-child"] = ("one process of 'onnx'", () => OnnxBenchmark.RunChild(args[1], Number(2, 0), args[3])),
    ["serve"] = ("the web service, published with libtorch and for ONNX alone: the two folders follow",
        () => ServeBenchmark.Run(args[1], args[2])),
    ["photographs"] = ("a folder of JPEG files to pixels against ML.NET's transforms", PhotographBenchmark.Run),
    ["evaluate"] = ("EvaluateCalibration against ML.NET's Evaluate", EvaluateBenchmark.Run),
    ["decisions"] = ("fitting and applying prediction sets and abstention against EvaluateCalibration", DecisionBenchmark.Run),
    ["interval-coverage"] = ("how often the confidence intervals hold the true value; samples and resamples may follow",
        () => IntervalCoverageTable.Run(Number(1, 1000), Number(2, 300))),
    ["small-sample"] = ("calibration errors of a calibrated model on few rows", SmallSampleTable.Run),
};
if (args.FirstOrDefault() is string name && benchmarks.TryGetValue(name, out var benchmark))
{
    benchmark.Run();
    return ok ? 0 : 1;
}

Console.WriteLine("Usage: dotnet run -c Release --project test/Microsoft.ML.SharpnessAware.Benchmarks -- <benchmark>");
foreach ((string each, (string help, _)) in benchmarks)
    Console.WriteLine($"  {each,-19}{help}");
return 1;

int Number(int place, int otherwise) => args.Length > place ? int.Parse(args[place], CultureInfo.InvariantCulture) : otherwise;
