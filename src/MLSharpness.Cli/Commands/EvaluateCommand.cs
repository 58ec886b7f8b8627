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
        var bins = NumberOption.Between(1, CalibrationMetrics.MaximumNumberOfBins, "--bins", "Confidence bins.", 15);
        var scores = new Option<string?>("--scores") { Description = "Also write labels and probabilities to this CSV file, for " +
            "compare-scores." };
        var command = new Command("evaluate", "Measures a model on a folder of images that it has not seen.")
        {
            model, folder, bins, scores,
        };
        CommandAction.Set(command, context =>
        {
            MLContext mlContext = context.MLContext;
            string? path = context.Value(scores) is string file ? ScoreFile.Check(file, "--scores", context.Value(model)) : null;
            ITransformer transformer = ModelFile.Load(mlContext, context.Value(model));
            IDataView images = Images.Load(mlContext, context.Value(folder));
            if (path is not null)
                OutputFile.CheckIsNoPicture(path, "--scores", images);
            IDataView scored = transformer.Transform(context.Stoppable(images));
            ScoreFile? rows = path is null ? null : ScoreFile.Of(mlContext, scored);        // the network runs once
            try
            {
                MulticlassCalibrationMetrics metrics = mlContext.MulticlassClassification.EvaluateCalibration(rows?.View ?? scored,
                    numberOfBins: context.Value(bins));
                context.Write(MetricsOutput.Json(metrics, context.Seed), MetricsOutput.Table(metrics, context.Seed),
                    besideOutput: path is not null && ScoreFile.IsStandardOutput(path));
            }
            catch (Exception exception) when (rows is not null)
            {
                rows.Save(path!);
                throw new InvalidDataException($"{exception.Message} The scores are in {context.Value(scores)}.", exception);
            }

            rows?.Save(path!);
        }, CommandAction.SeedOfIntervals);
        return command;
    }
}
