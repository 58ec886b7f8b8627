using System.CommandLine;
using Microsoft.ML;
using Microsoft.ML.Data;
using Spectre.Console;

namespace MLSharpness.Cli;

/// <summary>mlsharpness predict &lt;model&gt; &lt;files…&gt;</summary>
internal static class PredictCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "A model file that train wrote." };
        var files = new Argument<string[]>("files") { Description = "Image files.", Arity = ArgumentArity.OneOrMore };
        var top = new Option<int>("--top") { Description = "How many classes to show.", DefaultValueFactory = _ => 3 };
        var command = new Command("predict", "Says what pictures show, and how sure it is.") { model, files, top };
        CommandAction.Set(command, context =>
        {
            MLContext mlContext = context.MLContext;
            string? missing = context.Value(files).FirstOrDefault(file => !File.Exists(file));
            if (missing is not null)
                throw new FileNotFoundException($"There is no image file '{missing}'.");
            ITransformer transformer = ModelFile.Load(mlContext, context.Value(model));
            IDataView scored = transformer.Transform(mlContext.Data.LoadFromEnumerable(
                context.Value(files).Select(file => new ImageFile { ImagePath = file, Image = File.ReadAllBytes(file) })));
            var names = default(VBuffer<ReadOnlyMemory<char>>);
            scored.Schema["Score"].GetSlotNames(ref names);
            string[] classes = [.. names.DenseValues().Select(name => name.ToString())];

            Result[] results = [.. mlContext.Data.CreateEnumerable<Prediction>(scored, reuseRowObject: false).Select(prediction => new Result(
                prediction.ImagePath,
                [.. classes.Zip(prediction.Score, (name, probability) => new ClassProbability(name, probability))
                    .OrderByDescending(entry => entry.Probability).Take(context.Value(top))]))];

            Table table = new Table { Border = TableBorder.Simple }.AddColumns("Image", "Class", "Probability");
            foreach (Result result in results)
            {
                foreach (ClassProbability entry in result.Classes)
                    table.AddRow(new Text(entry == result.Classes[0] ? result.File : ""), new Text(entry.Name), new Text($"{entry.Probability:P1}"));
            }

            context.Write(results, table);
        });
        return command;
    }

    private sealed class ImageFile
    {
        public string Label { get; set; } = "";

        public string ImagePath { get; set; } = "";

        public byte[] Image { get; set; } = [];
    }

    private sealed class Prediction
    {
        public string ImagePath { get; set; } = "";

        public float[] Score { get; set; } = [];
    }

    private sealed record Result(string File, ClassProbability[] Classes);

    private sealed record ClassProbability(string Name, float Probability);
}
