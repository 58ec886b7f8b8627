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
        var command = new Command("evaluate", "Measures a model on a folder of images that it has not seen.") { model, folder, bins };
        CommandAction.Set(command, context =>
        {
            MLContext mlContext = context.MLContext;
            IDataView scored = ModelFile.Load(mlContext, context.Value(model)).Transform(Images.Load(mlContext, context.Value(folder)));
            MulticlassCalibrationMetrics metrics = mlContext.MulticlassClassification.EvaluateCalibration(scored,
                numberOfBins: context.Value(bins));
            context.Write(MetricsOutput.Json(metrics), MetricsOutput.Table(metrics));
        });
        return command;
    }
}
