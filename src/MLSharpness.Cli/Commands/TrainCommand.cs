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
        var restart = new Option<bool>("--restart") { Description = "Begin anew where an interrupted training could go on." };
        var training = new TrainingOptions();
        var command = new Command("train", """
            Trains a classifier and measures it on images that it has not seen.

            After each epoch the training's state goes to a file beside the model, MODEL.checkpoint, which is deleted at the end. Ctrl+C saves the
            best model so far; the same command, given again, goes on where it stopped.
            """)
        { folder, output, method, test, restart };
        training.AddTo(command);
        CommandAction.Set(command, context =>
        {
            MLContext mlContext = context.MLContext;
            string path = Path.GetFullPath(context.Value(output)), checkpoint = path + ".checkpoint";
            IDataView images = Images.Load(mlContext, context.Value(folder));
            var split = mlContext.Data.TrainTestSplit(images, context.Value(test));
            ITransformer labels = Images.LabelsToKeys(mlContext).Fit(images);

            SharpnessAwareImageClassificationTrainer.Options options = training.Read(context, context.Value(method));
            options.MetricsCallback = new Progress(context.Messages).Report;
            options.CheckpointPath = checkpoint;
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            if (context.Value(restart))
                Delete(checkpoint);
            else if (File.Exists(checkpoint))
                context.Messages.WriteLine($"Going on from {checkpoint} (--restart begins anew).");

            var trainer = mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options);
            try
            {
                using SharpnessAwareImageClassificationTransformer classifier = trainer.Fit(labels.Transform(split.TrainSet));
                MulticlassCalibrationMetrics metrics = Save(classifier);
                Delete(checkpoint);
                context.Write(
                    new { model = path, method = $"{options.Method}", classifier.Temperature, metrics = MetricsOutput.Json(metrics) },
                    MetricsOutput.Table(metrics));
                context.Messages.WriteLine($"Saved {context.Value(output)}; measured on {metrics.Count} images that were not trained on.");
            }
            catch (OperationCanceledException) when (BestSoFar() is { } best)
            {
                using (best)
                    Save(best);
                throw new OperationCanceledException(
                    $"Stopped after {best.History.Count} epoch(s). The best model so far is in {context.Value(output)}; the same command goes on.");
            }

            MulticlassCalibrationMetrics Save(SharpnessAwareImageClassificationTransformer classifier)
            {
                IDataView scored = classifier.Transform(labels.Transform(split.TestSet));
                ITransformer model = labels.Append(classifier)
                    .Append(mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(scored));
                ModelFile.Save(mlContext, model, images.Schema, path);
                return mlContext.MulticlassClassification.EvaluateCalibration(scored);
            }

            // None where not even one epoch has ended.
            SharpnessAwareImageClassificationTransformer? BestSoFar()
            {
                try
                {
                    return trainer.BestFromCheckpoint();
                }
                catch (Exception exception) when (exception is InvalidOperationException or FileNotFoundException)
                {
                    throw new OperationCanceledException("Stopped before the first epoch ended: there is no model yet; the same command goes on.");
                }
            }
        });
        return command;
    }

    /// <summary>The checkpoint and the one before it.</summary>
    private static void Delete(string checkpoint)
    {
        File.Delete(checkpoint);
        File.Delete(checkpoint + ".previous");
    }
}
