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
            Description = "Any of sgd, sam, ssam, csam, asam; the first is what the others are compared with.",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => ["sgd", "sam", "ssam", "csam"],
        };
        var seeds = NumberOption.AtLeast(1, "--seeds", "Trainings of each method, with seeds that follow --seed.", 3);
        var test = NumberOption.Share("--test", "Share of the images that is kept for the test.", 0.2);
        var report = new Option<string?>("--report") { Description = "Also write a report of the first seed to this HTML file." };
        var training = new TrainingOptions(comparesMethods: true);
        var command = new Command("compare", """
            Trains the same network by several methods on the same images, with several seeds.

            Shows the means with their standard errors, and for each method but the first the mean difference from the first with its 95 %
            interval (Student's t over the seeds, paired). With one seed, bootstrap intervals over the test images instead.
            """)
        { folder, methods, seeds, test, report };
        training.AddTo(command);
        CommandAction.Set(command, context =>
        {
            MLContext mlContext = context.MLContext;
            string[] names = context.Value(methods);
            SharpnessAwareMethod[] chosen = [.. names.Select(name => training.Method(context, name))];      // errors before hours of work
            if (names.Distinct(StringComparer.OrdinalIgnoreCase).Count() < names.Length)
                throw new ArgumentException("Name each method once.");
            training.CheckUse(context, names);
            string? weights = training.WeightsFile(context);
            string? path = context.Value(report) is string file ? OutputFile.Check(file, "--report", "report.html", weights) : null;
            IDataView images = Images.LoadClasses(mlContext, context.Value(folder));
            if (path is not null)
                OutputFile.CheckIsNoPicture(path, "--report", images);
            IDataView labelled = Images.LabelsToKeys(mlContext).Fit(images).Transform(images);
            var split = Images.Split(mlContext, labelled, context.Value(test));
            context.Say(training.Start(context));
            if (training.Advice(context) is string advice)
                context.Say(advice);
            TestPictures.Check(context, split.TestSet);
            Processes.LimitThreads();
            var page = new CalibrationReport(mlContext, "Comparison of training methods");
            int onPage = 0;
            bool isPageSaved = false;
            Exception? notSaved = null;
            var comparison = new Comparison([.. chosen.Select(method => $"{method}")], context.Seed);
            try
            {
                for (int seed = 0; seed < context.Value(seeds); seed++)
                {
                    for (int i = 0; i < names.Length; i++)
                        TrainAndMeasure(i, seed);
                    if (seed == 0)
                        SavePage(goesOn: context.Value(seeds) > 1);         // later seeds add nothing to it
                }
            }
            finally
            {
                // What was measured is shown even where a later training fails or is stopped.
                if (!comparison.IsEmpty)
                    context.Write(comparison.Json(), comparison.Tables());
                if (onPage > 0 && !isPageSaved)
                    SavePage(goesOn: false);
            }

            if (notSaved is not null)
                throw notSaved;

            void SavePage(bool goesOn)
            {
                if (path is null)
                    return;
                isPageSaved = true;         // or has failed, and would again
                try
                {
                    page.SaveHtml(path);
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    notSaved = e;           // the numbers of the other seeds are worth more
                    context.Say($"{e.Message} {(goesOn ? "The comparison goes on without the report." : "The report is not saved.")}");
                    return;
                }

                context.Say($"Saved {context.Value(report)}" +
                    (onPage < names.Length ? $", without {string.Join(", ", chosen[onPage..].Select(method => $"{method}"))}." : "."));
            }

            void TrainAndMeasure(int i, int seed)
            {
                SharpnessAwareImageClassificationTrainer.Options options = training.Read(context, names[i]);
                options.Seed = context.Seed + seed;
                options.MetricsCallback = new Progress(context.Messages, $"{names[i]}, seed {options.Seed}: ").Report;
                using SharpnessAwareImageClassificationTransformer classifier =
                    mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options).Fit(split.TrainSet);
                IDataView scored = classifier.Transform(context.Stoppable(split.TestSet));
                comparison.Add(i, mlContext.MulticlassClassification.EvaluateCalibration(scored));
                if (seed == 0 && path is not null)
                {
                    page.Add($"{chosen[i]}", scored, imageColumnName: "Image");
                    onPage++;
                }
            }
        }, CommandAction.Seed);
        return command;
    }
}
