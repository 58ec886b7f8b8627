using System.CommandLine;
using Microsoft.ML;
using Microsoft.ML.SharpnessAware;

namespace MLSharpness.Cli;

/// <summary>mlsharpness evaluate &lt;model&gt; &lt;folder&gt;</summary>
internal static class EvaluateCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "A model file that train wrote." };
        var folder = new Argument<string>("folder") { Description = "Folder with one sub-folder of pictures for each class." };
        var bins = NumberOption.AtLeast(1, "--bins", "Confidence bins.", 15);
        var scores = new Option<string?>("--scores") { Description = "Also write labels and probabilities to this CSV file, for " +
            "compare-scores." };
        var command = new Command("evaluate", "Measures a model on a folder of images that it has not seen.")
        {
            model, folder, bins, scores,
        };
        CommandAction.Set(command, context =>
        {
            MLContext mlContext = context.MLContext;
            string? path = context.Value(scores) is string file ? OutputFile.Check(file, "--scores", "scores.csv") : null;
            IDataView scored = ModelFile.Load(mlContext, context.Value(model))
                .Transform(context.Stoppable(Images.Load(mlContext, context.Value(folder))));
            if (path is not null)
                scored = mlContext.Data.Cache(scored, "Label", "Score", "ImagePath");       // the network runs once
            MulticlassCalibrationMetrics metrics = mlContext.MulticlassClassification.EvaluateCalibration(scored,
                numberOfBins: context.Value(bins));
            if (path is not null)
                ScoreFile.Save(scored, path);
            context.Write(MetricsOutput.Json(metrics), MetricsOutput.Table(metrics));
        });
        return command;
    }
}
