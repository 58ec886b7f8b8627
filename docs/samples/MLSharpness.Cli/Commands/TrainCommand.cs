using System.CommandLine;
using Microsoft.ML;
using Microsoft.ML.SharpnessAware;
using Spectre.Console;

namespace MLSharpness.Cli;

/// <summary>mlsharpness train &lt;folder&gt;</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        var folder = new Argument<string>("folder") { Description = "Folder with one sub-folder of pictures for each class." };
        var output = new Option<string>("--out", "-o") { Description = "The model file to write.", DefaultValueFactory = _ => "model.zip" };
        var method = new Option<string>("--method", "-m") { Description = "sgd, sam, ssam, csam or asam.", DefaultValueFactory = _ => "csam" };
        var test = new Option<double>("--test") { Description = "Share of the images that is kept for the test.", DefaultValueFactory = _ => 0.2 };
        var training = new TrainingOptions();
        var command = new Command("train", "Trains a classifier and measures it on images that it has not seen.") { folder, output, method, test };
        training.AddTo(command);
        CommandAction.Set(command, context =>
        {
            MLContext mlContext = context.MLContext;
            IDataView images = Images.Load(mlContext, context.Value(folder));
            var split = mlContext.Data.TrainTestSplit(images, context.Value(test));
            ITransformer labels = Images.LabelsToKeys(mlContext).Fit(images);

            SharpnessAwareImageClassificationTrainer.Options options = training.Read(context, context.Value(method));
            options.MetricsCallback = new Progress(context.Messages).Report;
            var trainer = mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options);
            using SharpnessAwareImageClassificationTransformer classifier = trainer.Fit(labels.Transform(split.TrainSet));

            IDataView scored = classifier.Transform(labels.Transform(split.TestSet));
            MulticlassCalibrationMetrics metrics = mlContext.MulticlassClassification.EvaluateCalibration(scored);
            ITransformer model = labels.Append(classifier)
                .Append(mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(scored));
            ModelFile.Save(mlContext, model, images.Schema, context.Value(output));

            context.Write(
                new { model = Path.GetFullPath(context.Value(output)), method = $"{options.Method}", classifier.Temperature, metrics = MetricsOutput.Json(metrics) },
                MetricsOutput.Table([("test images", metrics)]));
            context.Messages.WriteLine($"Saved {context.Value(output)}.");
        });
        return command;
    }
}
