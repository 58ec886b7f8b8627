using System.Text;
using System.Text.RegularExpressions;
using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Experiments;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Summary;

/// <summary>
/// Fills the template of docs/evidence.md: each <c>{{name arguments}}</c> on a line of its own becomes a table or a figure of the CSV
/// files.
/// </summary>
internal sealed partial class EvidencePage(string results, string figures)
{
    /// <summary>Writes the page and its figures.</summary>
    /// <exception cref="InvalidDataException">The template asks for something that is not known.</exception>
    public void Write(string template, string page)
    {
        string folder = Path.GetRelativePath(Path.GetDirectoryName(Path.GetFullPath(page))!, Path.GetFullPath(figures)).Replace('\\', '/');
        string text = Token().Replace(File.ReadAllText(template), match => Render(match.Groups[1].Value.Split(' ', 3), folder));
        AtomicFile.Write(page, file => file.Write(Encoding.UTF8.GetBytes(text)));
    }

    private string Render(string[] words, string folder)
    {
        string Of(int i) => i < words.Length ? words[i]
            : throw new InvalidDataException($"{{{{{string.Join(' ', words)}}}}} needs more words.");
        return words[0] switch
        {
            "means" => Rows(Of(1), Of(2)) is { Count: > 0 } rows ? Tables.Means(rows, Measure.All) : Missing(words),
            "means-short" => Rows(Of(1), Of(2)) is { Count: > 0 } rows ? Tables.Means(rows, Measure.Main) : Missing(words),
            "differences" => Rows(Of(1), Of(2)) is { Count: > 0 } rows ? Tables.Differences(rows, "base", Measure.Main) : Missing(words),
            "against-csam" => Rows("calibration", Of(1)) is { Count: > 0 } rows
                ? Tables.Differences([.. rows.Where(row => row["method"] == "CSAM 1"), .. Rows("combinations", Of(1))], "CSAM 1",
                    Measure.Main) : Missing(words),
            "tuning" => Rows("tuning", Of(1)) is { Count: > 0 } rows ? Tuning(rows) : Missing(words),
            "by" => ByKey(Of(1), Of(2), words),
            "sharpness" => Rows("sharpness", Of(1)) is { Count: > 0 } rows
                ? Tables.Means(rows, new("largest_eigenvalue", "Largest eigenvalue", 1, 1), new("trace", "Trace", 1, 0)) : Missing(words),
            "ensembles" => Rows("corruptions", Of(1)) is { Count: > 0 } rows ? Ensembles(rows) : Missing(words),
            "regimes" => Rows("stability") is { Count: > 0 } rows ? Tables.Regimes(rows) : Missing(words),
            "stability-grid" => Rows("stability-grid") is { Count: > 0 } rows ? StabilityGridSummary.Table(rows) : Missing(words),
            "temperatures" => Rows("temperature") is { Count: > 0 } rows ? Tables.Temperatures(rows) : Missing(words),
            "calibrators" => Rows("calibrators") is { Count: > 0 } rows ? Tables.Calibrators(rows) : Missing(words),
            "radius" => Rows("tuning") is { Count: > 0 } rows ? DefaultsTables.Radius(rows) : Missing(words),
            "gamma" => Rows("calibration") is { Count: > 0 } rows ? DefaultsTables.Gamma(rows) : Missing(words),
            "learnt" => Rows("learnt-until-the-end") is { Count: > 0 } rows
                ? Tables.Means(rows, [.. Measure.Main, Measure.Temperature, Measure.TrainLoss, Measure.Minutes]) + "\n\n"
                    + Tables.Differences(rows, "base", Measure.Main) : Missing(words),
            "learnt-smaller" => Rows("learnt-until-the-end-smaller-radius") is { Count: > 0 } rows
                ? Tables.Means([.. rows, .. Rows("learnt-until-the-end").Where(row => row["method"] == Method.Base.Name
                        && rows.Any(other => other["seed"] == row["seed"]))],
                    [.. Measure.Main, Measure.Temperature, Measure.TrainLoss]) : Missing(words),
            "methods" => Rows("fine-tuning-methods") is { Count: > 0 } rows
                ? FineTuningMethodsTables.Overall(rows, "base", "CSAM 1") + "\n\n" + FineTuningMethodsTables.Means(rows) + "\n\n"
                    + FineTuningMethodsTables.Differences(rows, "base") : Missing(words),
            "smooth-errors" => Rows("fine-tuning-methods-smooth") is { Count: > 0 } rows
                ? FineTuningMethodsTables.SmoothErrors(rows) : Missing(words),
            "soups" => Rows("model-soups") is { Count: > 0 } rows ? FineTuningTables.Soups(rows) : Missing(words),
            "kept" => Rows("cheaper", Of(1)) is { Count: > 0 } rows ? Tables.Kept(rows) : Missing(words),
            "averages" => Rows("averaging", Of(1)) is { Count: > 0 } rows ? Tables.Averages(rows) : Missing(words),
            "early-stopping" => Rows("early-stopping", Of(1)) is { Count: > 0 } rows ? EarlyStopping(rows) : Missing(words),
            "ways" => Rows(Of(1)) is { Count: > 0 } rows
                ? FineTuningTables.Ways(rows) + "\n\n" + FineTuningTables.AgainstDefault(rows) : Missing(words),
            "rivals" => Rows("fine-tuning-rivals") is { Count: > 0 } rows ? FineTuningTables.Rivals(rows) : Missing(words),
            "against-rivals" => Rows("fine-tuning-rivals") is { Count: > 0 } rows ? FineTuningTables.AgainstRivals(rows) : Missing(words),
            "out-of-distribution" => Rows("out-of-distribution", Of(1)) is { Count: > 0 } rows
                ? FineTuningTables.OutOfDistribution(rows) : Missing(words),
            "figure" => Draw(Of(1), words) is string file ? $"![{Caption(Of(1))}]({folder}/{file})" : Missing(words),
            _ => throw new InvalidDataException($"The template asks for '{words[0]}', which is not known."),
        };
    }

    private string ByKey(string experiment, string key, string[] words)
    {
        IReadOnlyList<ResultRow> rows = Rows(experiment);
        return rows.Count == 0 ? Missing(words) : string.Join("\n\n", Measure.Main.Select(measure => Tables.Cross(rows, key, measure)));
    }

    private static string Tuning(IReadOnlyList<ResultRow> rows) => Tables.Table(
        ["Validation log loss", .. rows.Select(row => row["rho"]).Distinct().Select(rho => $"ρ = {rho}")],
        rows.GroupBy(row => row["method"]).Select(group =>
        {
            double best = group.Min(row => row.Number("validation_log_loss"));
            return (string[])
            [
                group.Key,
                .. group.Select(row => row.Number("validation_log_loss") is double loss && loss == best ? $"**{loss:F4}**"
                    : $"{row.Number("validation_log_loss"):F4}"),
            ];
        }));

    private static string EarlyStopping(IReadOnlyList<ResultRow> rows) => string.Join("\n\n",
        rows.GroupBy(row => row["training"]).Select(training => $"Trained by {(training.Key == "base" ? "SGD" : training.Key)}:\n\n"
            + Tables.Means([.. training], [Measure.Epoch, .. Measure.Main]) + "\n\n"
            + Tables.Differences([.. training], "accuracy", Measure.Main)));

    private static string Ensembles(IReadOnlyList<ResultRow> rows)
    {
        string Cell(IEnumerable<ResultRow> group, bool clean, bool ensemble, Measure measure)
        {
            double[] values =
                [.. group.Where(row => row["corruption"] == "none" == clean && row["seed"] == "ensemble of 3" == ensemble)
                    .Select(row => row.Number(measure.Column))];
            return values.Length == 0 ? "" : (measure.Factor * values.Average()).ToString($"F{measure.Decimals}");
        }
        Measure[] measures = [Measure.Accuracy, Measure.Ece, Measure.LogLoss];
        return Tables.Table(
            ["Method", "Test images", .. measures.Select(measure => $"{measure.Title}: one"),
                .. measures.Select(measure => $"{measure.Title}: three")],
            from method in Tables.ByMethod(rows)
            from clean in new[] { true, false }
            select (string[])
            [
                method.Key, clean ? "clean" : "corrupted",
                .. measures.Select(measure => Cell(method, clean, false, measure)),
                    .. measures.Select(measure => Cell(method, clean, true, measure)),
            ]);
    }

    private string? Draw(string name, string[] words)
    {
        Figure? figure = name switch
        {
            "stability" => Rows("stability") is { Count: > 0 } rows ? Figures.Stability(rows) : null,
            "stability-grid" => Rows("stability-grid") is { Count: > 0 } rows ? StabilityGridSummary.Map(rows) : null,
            "norms" => Rows("stability-norms") is { Count: > 0 } rows ? Figures.Norms(rows) : null,
            "toy" => Rows("toy") is { Count: > 0 } rows ? Figures.Toy(rows) : null,
            "fine-tuning" => Rows("fine-tuning-defaults-epochs") is { Count: > 0 } rows ? FineTuningFigures.Epochs(rows) : null,
            "fine-tuning-methods" => Rows("fine-tuning-methods") is { Count: > 0 } rows ? FineTuningFigures.Methods(rows) : null,
            "rivals" => Rows("fine-tuning-rivals") is { Count: > 0 } rows ? FineTuningFigures.Rivals(rows) : null,
            "calibration" => Rows("calibration", "fashion-5000") is { Count: > 0 } rows
                ? Figures.Calibration(rows, "5,000 images that the network has memorised") : null,
            "learnt" => Rows("learnt-until-the-end") is { Count: > 0 } rows
                ? Figures.Calibration(rows, "55,000 images for thirty epochs") : null,
            "corruptions" => Rows("corruptions") is { Count: > 0 } rows ? Figures.Corruptions(rows) : null,
            "sharpness" => Rows("sharpness") is { Count: > 0 } rows ? Figures.Sharpness(rows, Sharpness.Distances) : null,
            _ => throw new InvalidDataException($"The template asks for the figure '{name}', which is not known: " +
                $"{string.Join(' ', words)}."),
        };
        figure?.SavePng(Path.Combine(figures, name + ".png"));
        return figure is null ? null : name + ".png";
    }

    private static string Caption(string name) => name switch
    {
        "stability" => "Heat maps of test accuracy over learning rate and ρ for SAM and SSAM",
        "stability-grid" => "Heat maps of the share of trainings that succeed over learning rate and ρ for SAM and SSAM",
        "norms" => "Gradient norms of both passes along training",
        "toy" => "Trajectories on a valley and on a saddle",
        "fine-tuning" => "Log loss on images set aside, epoch by epoch, for three sets of pictures",
        "fine-tuning-methods" => "Log loss and calibration error of each method by the number of pictures, for three sets of pictures",
        "rivals" => "Calibration error of four models of pretrained features by the number of pictures",
        "calibration" => "Calibration error and log loss of each method, before and after a temperature",
        "learnt" => "Calibration error and log loss of each method after thirty epochs of 55,000 images",
        "corruptions" => "Accuracy and calibration by strength of corruption",
        _ => "Training loss along a random direction",
    };

    private IReadOnlyList<ResultRow> Rows(string experiment, string? setting = null)
    {
        IReadOnlyList<ResultRow> rows = ResultFile.Read(Path.Combine(results, experiment + ".csv"));
        return setting is null ? rows : [.. rows.Where(row => row["setting"] == setting)];
    }

    private static string Missing(string[] words) => $"*(Not run yet: {string.Join(' ', words)}.)*";

    [GeneratedRegex(@"(?<=^)\{\{([^}]+)\}\}(?=\r?$)", RegexOptions.Multiline)]
    private static partial Regex Token();
}
