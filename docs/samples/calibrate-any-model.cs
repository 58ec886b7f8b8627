#:project ../../src/Microsoft.ML.SharpnessAware
#:property PublishAot=false
#:property NoWarn=$(NoWarn);CS1591

// dotnet run docs/samples/calibrate-any-model.cs
// One of ML.NET's own trainers, calibrated on rows that it was not trained on and measured on others.
using System.Runtime.CompilerServices;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;

var mlContext = new MLContext(seed: 1);

// 1. Three sets: to train on, to calibrate on, to measure on. A model is surer of its training rows than it will ever be of others.
IDataView images = mlContext.Data.LoadImagesFromIdx(File("train-images-idx3-ubyte.gz"), File("train-labels-idx1-ubyte.gz"));
IDataView test = mlContext.Data.LoadImagesFromIdx(File("t10k-images-idx3-ubyte.gz"), File("t10k-labels-idx1-ubyte.gz"));
IDataView training = mlContext.Data.TakeRows(images, 1500), validation = mlContext.Data.SkipRows(images, 1500);

// 2. Any trainer whose Score holds a value for each class.
ITransformer model = mlContext.Transforms.Conversion.MapValueToKey("Label")
    .Append(mlContext.Transforms.Conversion.ConvertType("Features", "Image", DataKind.Single))
    .Append(mlContext.Transforms.NormalizeMinMax("Features"))
    .Append(mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy(l1Regularization: 0, l2Regularization: 0.001f))
    .Fit(training);

// 3. The calibrator is fitted on what the model says of the validation rows, and is a part of the model from then on.
var calibrator = mlContext.MulticlassClassification.Calibrators.Temperature().Fit(model.Transform(validation));
ITransformer calibrated = model.Append(calibrator);

// 4. Before and after, on rows that neither has seen.
MulticlassCalibrationMetrics before = mlContext.MulticlassClassification.EvaluateCalibration(model.Transform(test));
MulticlassCalibrationMetrics after = mlContext.MulticlassClassification.EvaluateCalibration(calibrated.Transform(test));
Console.WriteLine($"Expected calibration error {before.ExpectedCalibrationError:P1} → {after.ExpectedCalibrationError:P1}");
Console.WriteLine($"Log loss                   {before.LogLoss:F3} → {after.LogLoss:F3}");
Console.WriteLine($"Accuracy                   {before.Accuracy:P1} → {after.Accuracy:P1}");
before.ReliabilityDiagram.SavePng("before.png");
after.ReliabilityDiagram.SavePng("after.png");
mlContext.Model.Save(calibrated, images.Schema, "calibrated.zip");

// The part of Fashion-MNIST that comes with the Quickstart.
static string File(string name, [CallerFilePath] string here = "") =>
    Path.Combine(Path.GetDirectoryName(here)!, "Quickstart", "Data", name);
