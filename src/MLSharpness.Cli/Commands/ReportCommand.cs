using System.CommandLine;
using Microsoft.ML;
using Microsoft.ML.SharpnessAware;
using Spectre.Console;

namespace MLSharpness.Cli;

/// <summary>mlsharpness report &lt;model&gt; &lt;folder&gt;</summary>
internal static class ReportCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "A model file that train wrote." };
        var folder = new Argument<string>("folder") { Description = "Folder with one sub-folder of pictures for each class." };
        var output = new Option<string>("--out", "-o") { Description = "The HTML file to write.", DefaultValueFactory = _ =>
            "report.html" };
        var command = new Command("report", "Writes a page with figures, tables and the most confident mistakes.") { model, folder,
            output };
        CommandAction.Set(command, context =>
        {
            MLContext mlContext = context.MLContext;
            string name = Path.GetFileName(context.Value(model));
            string path = OutputFile.Check(context.Value(output), "--out", "report.html", context.Value(model));
            ITransformer transformer = ModelFile.Load(mlContext, context.Value(model));
            IDataView images = Images.Load(mlContext, context.Value(folder));
            OutputFile.CheckIsNoPicture(path, "--out", images);
            IDataView scored = transformer.Transform(context.Stoppable(images));
            new CalibrationReport(mlContext, $"Calibration of {name}").Add(name, scored, imageColumnName: "Image").SaveHtml(path);
            context.Write(new { report = path }, new Text(Printable.Of($"Saved {context.Value(output)}.") + "\n"));
        });
        return command;
    }
}
