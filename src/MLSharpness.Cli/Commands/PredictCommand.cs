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
        var files = new Argument<string[]>("files")
        {
            Description = "Image files; * and ? may stand in their names and in those of folders.", Arity = ArgumentArity.OneOrMore,
        };
        Option<int> top = NumberOption.AtLeast(1, "--top", "How many classes to show.", 3);
        var command = new Command("predict", "Says what pictures show, and how sure it is.") { model, files, top };
        CommandAction.Set(command, context =>
        {
            ITransformer transformer = ModelFile.Load(context.MLContext, context.Value(model), out DataViewSchema inputSchema);
            string[] classes = ModelFile.ClassNames(transformer, inputSchema);
            string[] given = PictureFiles.Expand(context.Value(files));
            var results = new List<Result>();
            var bad = new List<string>();
            bool isStopped = false;
            try
            {
                foreach (string error in Score(context, transformer, inputSchema, given, (file, scores) => results.Add(new Result(
                    file,
                    [.. classes.Zip(scores, (name, probability) => new ClassProbability(name, probability))
                        .OrderByDescending(entry => entry.Probability).Take(context.Value(top))]))))
                    bad.Add(error);
            }
            catch (Exception exception) when (exception.GetBaseException() is OperationCanceledException)
            {
                isStopped = true;       // what there is is shown
            }

            Table table = new Table { Border = TableBorder.Simple }.AddColumns("Image", "Class", "Probability");
            foreach (Result result in results)
            {
                for (int i = 0; i < result.Classes.Length; i++)
                {
                    table.AddRow(new Text(i == 0 ? Printable.Of(result.File) : ""), new Text(Printable.Of(result.Classes[i].Name)),
                        new Text($"{result.Classes[i].Probability:P1}"));
                }
            }

            if (results.Count > 0)
                context.Write(results, table);
            if (isStopped)
            {
                throw new OperationCanceledException(
                    string.Join("\n", [.. bad, $"Stopped after {results.Count + bad.Count} of {given.Length} pictures."]));
            }

            if (bad.Count > 0)
                throw new InvalidDataException(string.Join("\n", bad));
        });
        return command;
    }

    /// <summary>Scores the files in their order, without the bad ones, and says what is wrong with each of those.</summary>
    private static IEnumerable<string> Score(
        CommandContext context, ITransformer model, DataViewSchema inputSchema, string[] files, Action<string, float[]> scored)
    {
        for (int done = 0; done < files.Length;)
        {
            string? error = null;
            IDataView scoredView = model.Transform(context.Stoppable(PictureFiles.View(context.MLContext, files[done..], inputSchema)));
            try
            {
                foreach (float[] scores in scoredView.GetColumn<float[]>("Score"))
                    scored(files[done++], scores);
            }
            catch (Exception exception) when (
                exception is not OutOfMemoryException && exception.GetBaseException() is not OperationCanceledException
                && done < files.Length)
            {
                // What comes before the bad one has been delivered; it is the next.
                error = exception.GetBaseException().Message;
            }

            if (error is not null)
            {
                string file = files[done++];
                yield return error.Contains(file, StringComparison.Ordinal) ? error : $"'{file}': {error}";
            }
        }
    }

    private sealed record Result(string File, ClassProbability[] Classes);

    private sealed record ClassProbability(string Name, float Probability);
}
