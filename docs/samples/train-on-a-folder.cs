#:project ../../src/Microsoft.ML.SharpnessAware
#:package Microsoft.ML.DnnImageFeaturizer.ResNet18
#:property UsesTorchBackend=true
#:property PublishAot=false
#:property NoWarn=$(NoWarn);CS1591

// dotnet run docs/samples/train-on-a-folder.cs -- <folder>
// The folder has one sub-folder of pictures for each class. Trains from weights that know ImageNet (the head, then the whole network for
// two minutes at most), measures, draws, saves model.zip, and reads it back.
using Microsoft.ML;
using Microsoft.ML.Runtime;
using Microsoft.ML.SharpnessAware;

string folder = args.FirstOrDefault() ?? throw new ArgumentException("Name a folder that has one sub-folder of pictures for each class.");
AllocatorTuning.KeepFreedMemory();
var mlContext = new MLContext(seed: 1);

// 1. Pictures: columns Label, ImagePath, Image. Files are read when they are needed.
IDataView images = mlContext.Data.LoadImagesFromFolder(folder);
var split = mlContext.Data.TrainTestSplit(images, testFraction: 0.2);

// 2. A pipeline, as for any trainer of ML.NET. The log says what is tried and what is kept.
mlContext.Log += (_, log) =>
{
    if (log.Kind >= ChannelMessageKind.Info && log.Source.Contains("SharpnessAware"))
        Console.WriteLine(log.RawMessage);
};
var trainer = mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(
    new SharpnessAwareImageClassificationTrainer.Options
    {
        FeatureColumnName = "Image",
        TimeBudget = TimeSpan.FromMinutes(2),
    });
ITransformer model = mlContext.Transforms.Conversion.MapValueToKey("Label")
    .Append(trainer)
    .Append(mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel"))
    .Fit(split.TrainSet);

// 3. How good is it, and how well does it know that?
IDataView scored = model.Transform(split.TestSet);
MulticlassCalibrationMetrics calibration = mlContext.MulticlassClassification.EvaluateCalibration(scored);
Console.WriteLine(calibration);
calibration.ReliabilityDiagram.SavePng("reliability.png");

// 4. Saved and read back, as always in ML.NET.
mlContext.Model.Save(model, images.Schema, "model.zip");
ITransformer loaded = new MLContext().Model.Load("model.zip", out _);
Console.WriteLine($"Read back: {mlContext.MulticlassClassification.EvaluateCalibration(loaded.Transform(split.TestSet)).Accuracy:P1} " +
    "right.");
