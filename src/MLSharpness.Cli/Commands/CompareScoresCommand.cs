using System.CommandLine;
using Microsoft.ML;
using Microsoft.ML.SharpnessAware;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace MLSharpness.Cli;

/// <summary>mlsharpness compare-scores &lt;first&gt; &lt;second&gt;</summary>
internal static class CompareScoresCommand
{
    private static readonly (string Name, Func<CalibrationComparison, ConfidenceInterval> Value, double Unit, string Digits)[] Columns =
    [
        ("Accuracy %", difference => difference.Accuracy, 100, "0.0"),
        ("Confidence %", difference => difference.MeanConfidence, 100, "0.0"),
        ("ECE %", difference => difference.ExpectedCalibrationError, 100, "0.0"),
        ("Log loss", difference => difference.LogLoss, 1, "0.000"),
        ("Brier", difference => difference.BrierScore, 1, "0.000"),
    ];

    public static Command Create()
    {
        var first = new Argument<string>("first") { Description = "A file of scored rows, as evaluate --scores writes it." };
        var second = new Argument<string>("second") { Description = "The same rows in the same order, scored by another model." };
        var group = new Option<string?>("--group") { Description = "A column by whose values the rows are compared as well: a camera, a " +
            "region." };
        var cluster = new Option<string?>("--cluster") { Description = "A column whose equal values belong together, such as a patient: " +
            "intervals then allow for that." };
        var command = new Command("compare-scores", """
            Compares two models on the same rows: is the second better than the first, or is it chance?

            The files are CSV with a header: Label, a column Score.name for each class, and any others. Differences are taken row by
            row, with 95 % intervals; one that excludes 0 is unlikely to be chance.
            """)
        { first, second, group, cluster };
        CommandAction.Set(command, context =>
        {
            string[] names = [context.Value(first), context.Value(second)];
            string? groups = context.Value(group), clusters = context.Value(cluster);
            string[] shown = [.. names.Select(name => Path.GetFileName(name))];
            if (shown[0] == shown[1])
                shown = names;
            ScoreFile ofFirst = ScoreFile.Load(context.MLContext, names[0], groups, clusters);
            ScoreFile ofSecond = ScoreFile.Load(context.MLContext, names[1], groups, clusters, ofFirst.Classes);
            if (ofFirst.CheckSameImages(ofSecond) is (string one, string other))
                context.Say($"Pictures under '{one}' and under '{other}' are taken for the same, by class and file name.");
            MulticlassCalibrationMetrics[] metrics = [.. new[] { ofFirst, ofSecond }.Select(file =>
                context.MLContext.MulticlassClassification.EvaluateCalibration(context.Stoppable(file.View),
                    groupColumnName: groups is null ? null : "Group", clusterColumnName: clusters is null ? null : "Cluster"))];
            (string Group, CalibrationComparison Difference)[] differences =
            [
                ("", metrics[1].CompareTo(metrics[0], seed: context.Seed)),
                .. metrics[1].PerGroup.Select((one, i) => (one.GroupName, Of(one, metrics[0].PerGroup, i, context.Seed))),
            ];
            context.Write(
                new
                {
                    models = names.Zip(metrics, (name, one) => new
                    {
                        name, metrics = MetricsOutput.Json(one, context.Seed),
                        groups = one.PerGroup.Select(ofGroup => new
                        {
                            group = ofGroup.GroupName, metrics = MetricsOutput.Json(ofGroup.Metrics, context.Seed),
                        }),
                    }),
                    differences = differences.Select((one, i) => new
                    {
                        group = i == 0 ? null : one.Group, one.Difference.Count, one.Difference.NumberOfClusters,
                        accuracy = Numbers(one.Difference.Accuracy), meanConfidence = Numbers(one.Difference.MeanConfidence),
                        expectedCalibrationError = Numbers(one.Difference.ExpectedCalibrationError),
                        logLoss = Numbers(one.Difference.LogLoss), brierScore = Numbers(one.Difference.BrierScore),
                    }),
                },
                new Rows(MetricsOutput.Table([.. Lines(shown, metrics)], context.Seed), Differences(shown[0], differences)));
        }, CommandAction.SeedOfIntervals);
        return command;
    }

    private static CalibrationComparison Of(
        GroupCalibration ofSecond, IReadOnlyList<GroupCalibration> first, int place, int seed) =>
        place < first.Count && first[place].GroupName == ofSecond.GroupName
            ? ofSecond.Metrics.CompareTo(first[place].Metrics, seed: seed)
            : throw new InvalidDataException($"The two files have other groups: '{ofSecond.GroupName}' is not in the first, or stands "
                + "at other rows.");

    private static IEnumerable<(string, MulticlassCalibrationMetrics)> Lines(string[] names, MulticlassCalibrationMetrics[] metrics)
    {
        for (int i = 0; i < names.Length; i++)
            yield return (Printable.Of(names[i]), metrics[i]);
        for (int group = 0; group < metrics[0].PerGroup.Count; group++)
        {
            foreach ((string name, MulticlassCalibrationMetrics one) in names.Zip(metrics))
                yield return ($"{Shown(one.PerGroup[group].GroupName)}: {Printable.Of(name)}", one.PerGroup[group].Metrics);
        }
    }

    private static Table Differences(string first, IReadOnlyList<(string Group, CalibrationComparison Difference)> differences)
    {
        string clusters = differences[0].Difference.NumberOfClusters is int number ? $", rows in {number} clusters" : "";
        Table table = new Table { Border = TableBorder.Simple, Title = new TableTitle(
            $"Less {Printable.Of(first)}: difference [95 % interval]{clusters}".EscapeMarkup()) }
            .AddColumns(["", .. Columns.Select(column => column.Name)]);
        for (int i = 0; i < differences.Count; i++)
        {
            (string group, CalibrationComparison difference) = differences[i];
            table.AddRow([new Text(i > 0 ? Shown(group) : "all rows"), .. Columns.Select(column =>
            {
                string format = $"+{column.Digits};-{column.Digits};{column.Digits}";
                ConfidenceInterval value = column.Value(difference);
                return (IRenderable)new Text($"{Number(value.Estimate)} [{Number(value.Lower)}, {Number(value.Upper)}]");

                string Number(double number) => (column.Unit * number).ToString(format);
            })]);
        }

        return table;
    }

    private static string Shown(string group) => group.Length == 0 ? "(missing)" : Printable.Of(group);

    private static double[] Numbers(ConfidenceInterval interval) => [interval.Estimate, interval.Lower, interval.Upper];
}
