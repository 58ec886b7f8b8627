using CalibrateAnyModel;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;
using Spectre.Console;

// Trains ML.NET's LightGBM and a network of this library on the same images, calibrates both on images that neither has seen, and
// compares them on a third set. --quick trains less.
bool quick = args.Contains("--quick");
string outputFolder = args.SkipWhile(argument => argument != "--out").Skip(1).FirstOrDefault("out");
if (args.Contains("--help"))
{
    Console.WriteLine("dotnet run -c Release --project docs/samples/CalibrateAnyModel -- [--quick] [--out <folder>]");
    return;
}

AllocatorTuning.KeepFreedMemory();
if (Console.IsOutputRedirected)
    AnsiConsole.Profile.Width = 120;
var mlContext = new MLContext(seed: 1);

// 1. Three sets of images: to train on, to fit calibrators on, to measure on. A calibrator must never be fitted on training images: the
//    model is surer of those than it will ever be again.
string data = Path.Combine(AppContext.BaseDirectory, "Data");
IDataView images = mlContext.Data.LoadImagesFromIdx(
    Path.Combine(data, "train-images-idx3-ubyte.gz"), Path.Combine(data, "train-labels-idx1-ubyte.gz"));
IDataView testImages = mlContext.Data.LoadImagesFromIdx(
    Path.Combine(data, "t10k-images-idx3-ubyte.gz"), Path.Combine(data, "t10k-labels-idx1-ubyte.gz"));

ITransformer prepare = mlContext.Transforms.Conversion
    .MapValueToKey("Label", keyOrdinality: Microsoft.ML.Transforms.ValueToKeyMappingEstimator.KeyOrdinality.ByValue)
    .Append(mlContext.Transforms.Conversion.ConvertType("Features", "Image", DataKind.Single))
    .Fit(images);
IDataView training = mlContext.Data.Cache(prepare.Transform(mlContext.Data.TakeRows(images, quick ? 1000 : 3000)));
IDataView calibration = mlContext.Data.Cache(prepare.Transform(mlContext.Data.SkipRows(images, 3000)));
IDataView test = prepare.Transform(testImages);

// 2. Two models. Neither knows anything of the calibrators.
var trainers = mlContext.MulticlassClassification.Trainers;
(string Name, IEstimator<ITransformer> Trainer)[] models =
[
    ("LightGBM", trainers.LightGbm(numberOfIterations: quick ? 10 : 100)),
    ("ResNet-8, SGD", Network(SharpnessAwareMethod.Standard)),
    ("ResNet-8, CSAM", Network(SharpnessAwareMethod.Csam(rho: 0.1))),
];

// 3. The calibrators: whatever trainer made the scores.
var calibrators = mlContext.MulticlassClassification.Calibrators;
(string Name, IEstimator<ITransformer> Calibrator)[] ways =
[
    ("temperature", calibrators.Temperature()),
    ("vector", calibrators.Vector()),
    ("isotonic", calibrators.Isotonic()),
    ("Dirichlet", calibrators.Dirichlet()),
];

var table = new ResultTable();
var report = new CalibrationReport(mlContext, "Two ML.NET trainers, calibrated");
ITransformer? best = null;
double lowestLogLoss = double.PositiveInfinity;
foreach ((string name, IEstimator<ITransformer> trainer) in models)
{
    AnsiConsole.WriteLine($"Training {name} …");
    ITransformer model = trainer.Fit(training);
    IDataView scoredCalibration = mlContext.Data.Cache(model.Transform(calibration), "Label", "Score", "PredictedLabel");
    IDataView scoredTest = mlContext.Data.Cache(model.Transform(test), "Label", "Score", "PredictedLabel", "Image");

    table.Add(name, "as it is", mlContext.MulticlassClassification.EvaluateCalibration(scoredTest));
    report.Add(name, scoredTest, imageColumnName: "Image");
    foreach ((string way, IEstimator<ITransformer> estimator) in ways)
    {
        ITransformer calibrator = estimator.Fit(scoredCalibration);
        IDataView calibrated = calibrator.Transform(scoredTest);
        MulticlassCalibrationMetrics metrics = mlContext.MulticlassClassification.EvaluateCalibration(calibrated);
        table.Add(name, way, metrics);
        if (way == "temperature")
            report.Add($"{name}, temperature", calibrated, imageColumnName: "Image");

        // 4. A calibrator is a transformer like any other: appended to the model, it is saved and loaded with it.
        if (metrics.LogLoss < lowestLogLoss)
            (best, lowestLogLoss) = (prepare.Append(model).Append(calibrator), metrics.LogLoss);
    }
}

table.Write();
Directory.CreateDirectory(outputFolder);
report.SaveHtml(Path.Combine(outputFolder, "report.html"));
string modelPath = Path.Combine(outputFolder, "calibrated-model.zip");
mlContext.Model.Save(best, images.Schema, modelPath);
MulticlassCalibrationMetrics again = mlContext.MulticlassClassification.EvaluateCalibration(
    new MLContext().Model.Load(modelPath, out _).Transform(testImages));
AnsiConsole.WriteLine($"{modelPath}: the model of the lowest log loss with its calibrator; read back, its log loss is {again.LogLoss:F4}.");
AnsiConsole.WriteLine($"{Path.Combine(outputFolder, "report.html")}: figures and the most confident mistakes.");

SharpnessAwareImageClassificationTrainer Network(SharpnessAwareMethod method) => trainers.SharpnessAwareImageClassification(
    new SharpnessAwareImageClassificationTrainer.Options
    {
        FeatureColumnName = "Image",
        Method = method,
        Arch = NetworkArchitecture.ResNet8,
        BaseOptimizer = new BaseOptimizer.Sgd(LearningRate: 0.1),
        Epoch = quick ? 2 : 25,
        Calibration = ProbabilityCalibration.None,      // to compare the calibrators; by default a temperature is fitted in training
    });
