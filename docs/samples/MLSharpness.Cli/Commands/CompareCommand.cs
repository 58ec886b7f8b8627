using System.CommandLine;
using Microsoft.ML;
using Microsoft.ML.SharpnessAware;

namespace MLSharpness.Cli;

/// <summary>mlsharpness compare &lt;folder&gt;</summary>
internal static class CompareCommand
{
    public static Command Create()
    {
        var folder = new Argument<string>("folder") { Description = "Folder with one sub-folder of pictures for each class." };
        var methods = new Option<string[]>("--methods")
        {
            Description = "Any of sgd, sam, ssam, csam, asam.", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => ["sgd", "sam", "ssam", "csam"],
        };
        var test = new Option<double>("--test") { Description = "Share of the images that is kept for the test.", DefaultValueFactory = _ => 0.2 };
        var report = new Option<string?>("--report") { Description = "Also write a report to this HTML file." };
        var training = new TrainingOptions();
        var command = new Command("compare", "Trains the same network by several methods on the same images.") { folder, methods, test, report };
        training.AddTo(command);
        CommandAction.Set(command, context =>
        {
            MLContext mlContext = context.MLContext;
            IDataView images = Images.Load(mlContext, context.Value(folder));
            IDataView labelled = Images.LabelsToKeys(mlContext).Fit(images).Transform(images);
            var split = mlContext.Data.TrainTestSplit(labelled, context.Value(test));
            SharpnessAwareMethod[] chosen = [.. context.Value(methods).Select(name => training.Method(context, name))];      // errors before hours of work
            var page = new CalibrationReport(mlContext, "Comparison of training methods");
            var results = new List<(string Name, MulticlassCalibrationMetrics Metrics)>();
            foreach ((string name, SharpnessAwareMethod method) in context.Value(methods).Zip(chosen))
            {
                SharpnessAwareImageClassificationTrainer.Options options = training.Read(context, name);
                options.MetricsCallback = new Progress(context.Messages, $"{name}: ").Report;
                using SharpnessAwareImageClassificationTransformer classifier =
                    mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(split.TrainSet);
                IDataView scored = classifier.Transform(split.TestSet);
                results.Add(($"{method}", mlContext.MulticlassClassification.EvaluateCalibration(scored)));
                if (context.Value(report) is not null)
                    page.Add($"{method}", scored, imageColumnName: "Image");
            }

            if (context.Value(report) is string path)
                page.SaveHtml(path);
            context.Write(results.Select(result => new { method = result.Name, metrics = MetricsOutput.Json(result.Metrics) }), MetricsOutput.Table(results));
        });
        return command;
    }
}
