using System.Diagnostics;
using Microsoft.ML;
using Microsoft.ML.SharpnessAware;
using Quickstart;
using Spectre.Console;

// Trains ResNet-8 on the same images by SGD, SAM, SSAM and CSAM, shows what each does to accuracy and calibration, and saves the
// best model. Run with --help for the options.
if (CommandLine.Parse(args) is not CommandLine options)
    return 1;

AllocatorTuning.KeepFreedMemory();
if (Console.IsOutputRedirected)
    AnsiConsole.Profile.Width = 110;

var mlContext = new MLContext(seed: 1);

// 1. Load the images. Label is text, Image is an image file's bytes or a vector of pixels.
(IDataView trainingData, IDataView testData) = ImageData.Load(mlContext, options.DataFolder, options.Images);

// 2. Labels become keys; the same transformer serves training and test data.
ITransformer labelsToKeys = mlContext.Transforms.Conversion
    .MapValueToKey("Label", keyOrdinality: Microsoft.ML.Transforms.ValueToKeyMappingEstimator.KeyOrdinality.ByValue)
    .Fit(trainingData);
trainingData = labelsToKeys.Transform(trainingData);
testData = labelsToKeys.Transform(testData);

(string Name, SharpnessAwareMethod Method)[] methods =
[
    ("SGD", SharpnessAwareMethod.Standard),
    ("SAM", SharpnessAwareMethod.Sam(rho: 0.1)),
    ("SSAM", SharpnessAwareMethod.Ssam(rho: 0.1)),
    ("CSAM", SharpnessAwareMethod.Csam(rho: 0.1, gamma: 1)),
];

Directory.CreateDirectory(options.OutputFolder);
var results = new ResultTable();
SharpnessAwareImageClassificationTransformer? best = null;
(string bestName, double bestLogLoss) = ("", double.PositiveInfinity);
foreach ((string name, SharpnessAwareMethod method) in methods)
{
    // 3. Train: one pipeline for each method.
    AnsiConsole.MarkupLineInterpolated($"[bold]{(method == SharpnessAwareMethod.Standard ? name : $"{method}")}[/]");
    var trainer = mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(
        new SharpnessAwareImageClassificationTrainer.Options
        {
            FeatureColumnName = "Image",
            Method = method,
            Arch = NetworkArchitecture.ResNet8,
            BaseOptimizer = new BaseOptimizer.Sgd(LearningRate: 0.1),
            BatchSize = 64,
            Epoch = options.Epochs,
            MetricsCallback = ProgressLine.Write,
        });
    var stopwatch = Stopwatch.StartNew();
    SharpnessAwareImageClassificationTransformer model = trainer.Fit(trainingData);
    stopwatch.Stop();

    // 4. Measure on images that the training never saw: as the network says it, and after temperature scaling.
    using var uncalibrated = model.WithTemperature(1);
    MulticlassCalibrationMetrics before = mlContext.MulticlassClassification.EvaluateCalibration(uncalibrated.Transform(testData));
    MulticlassCalibrationMetrics after = mlContext.MulticlassClassification.EvaluateCalibration(model.Transform(testData));
    results.Add(name, before, after, model.Temperature, stopwatch.Elapsed);

    string picture = Path.Combine(options.OutputFolder, $"reliability-{name.ToLowerInvariant()}.png");
    before.ReliabilityDiagram.SavePng(picture, $"{name}, {options.Epochs} epochs, before temperature scaling");

    if (after.LogLoss < bestLogLoss)
    {
        best?.Dispose();
        (best, bestName, bestLogLoss) = (model, name, after.LogLoss);
    }
    else
    {
        model.Dispose();
    }
}
results.Write();

// 5. Save the model of the lowest log loss with what turns its keys back into names, read it again, and predict one image.
string modelPath = Path.Combine(options.OutputFolder, "model.zip");
var pipeline = best!.Append(mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(best!.Transform(trainingData)));
mlContext.Model.Save(pipeline, trainingData.Schema, modelPath);
AnsiConsole.WriteLine($"Saved the {bestName} model as {modelPath}, and a reliability diagram for each method beside it.");

ITransformer loaded = new MLContext().Model.Load(modelPath, out _);
IDataView oneImage = mlContext.Data.TakeRows(testData, 1);
Prediction prediction = mlContext.Data.CreateEnumerable<Prediction>(loaded.Transform(oneImage), reuseRowObject: false).Single();
AnsiConsole.WriteLine(
    $"Read back from the file, it says of the first test image: class {prediction.PredictedLabel} with probability " +
        $"{prediction.Score.Max():P1}.");
return 0;
