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
    private static readonly Dictionary<string,
        (string Experiment, string? Setting, string Caption, Func<IReadOnlyList<ResultRow>, Figure> Draw)> NamedFigures = new()
    {
        ["stability"] = ("stability", null, "Heat maps of test accuracy over learning rate and ρ for SAM and SSAM", Figures.Stability),
        ["stability-grid"] = ("stability-grid", null,
            "Heat maps of the share of training runs that succeed over learning rate and ρ for SAM and SSAM", StabilityGridSummary.Map),
        ["norms"] = ("stability-norms", null, "Gradient norms of both passes along training", Figures.Norms),
        ["toy"] = ("toy", null, "Trajectories on a valley and on a saddle", Figures.Toy),
        ["fine-tuning"] = ("fine-tuning-defaults-epochs", null,
            "Log loss on images set aside, epoch by epoch, for three sets of pictures", FineTuningFigures.Epochs),
        ["fine-tuning-methods"] = ("fine-tuning-methods", null,
            "Log loss and calibration error of each method by the number of pictures, for three sets of pictures",
            FineTuningFigures.Methods),
        ["rivals"] = ("fine-tuning-rivals", null,
            "Calibration error of four models of pretrained features by the number of pictures", FineTuningFigures.Rivals),
        ["calibration"] = ("calibration", "fashion-5000", "Calibration error and log loss of each method, before and after a temperature",
            rows => Figures.Calibration(rows, "5,000 images that the network has memorised")),
        ["learnt"] = ("learnt-until-the-end", null,
            "Calibration error and log loss of each method after thirty epochs of 55,000 images",
            rows => Figures.Calibration(rows, "55,000 images for thirty epochs")),
        ["corruptions"] = ("corruptions", null, "Accuracy and calibration by strength of corruption", Figures.Corruptions),
        ["sharpness"] = ("sharpness", null, "Training loss along a random direction",
            rows => Figures.Sharpness(rows, Sharpness.Distances)),
    };

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
        string If(IReadOnlyList<ResultRow> rows, Func<IReadOnlyList<ResultRow>, string> render) =>
            rows.Count > 0 ? render(rows) : $"*(Not run yet: {string.Join(' ', words)}.)*";
        return words[0] switch
        {
            "means" => If(Rows(Of(1), Of(2)), rows => Tables.Means(rows, Measure.All)),
            "means-short" => If(Rows(Of(1), Of(2)), rows => Tables.Means(rows, Measure.Main)),
            "differences" => If(Rows(Of(1), Of(2)), rows => Tables.Differences(rows, "base", Measure.Main)),
            "against-csam" => If(Rows("calibration", Of(1)), rows => Tables.Differences(
                [.. rows.Where(row => row["method"] == "CSAM 1"), .. Rows("combinations", Of(1))], "CSAM 1", Measure.Main)),
            "tuning" => If(Rows("tuning", Of(1)), Tuning),
            "by" => If(Rows(Of(1)), rows => string.Join("\n\n", Measure.Main.Select(measure => Tables.Cross(rows, Of(2), measure)))),
            "sharpness" => If(Rows("sharpness", Of(1)), rows => Tables.Means(
                rows, new("largest_eigenvalue", "Largest eigenvalue", 1, 1), new("trace", "Trace", 1, 0))),
            "ensembles" => If(Rows("corruptions", Of(1)), Ensembles),
            "regimes" => If(Rows("stability"), Tables.Regimes),
            "stability-grid" => If(Rows("stability-grid"), StabilityGridSummary.Table),
            "temperatures" => If(Rows("temperature"), Tables.Temperatures),
            "calibrators" => If(Rows("calibrators"), Tables.Calibrators),
            "radius" => If(Rows("tuning"), DefaultsTables.Radius),
            "gamma" => If(Rows("calibration"), DefaultsTables.Gamma),
            "learnt" => If(Rows("learnt-until-the-end"), rows =>
                Tables.Means(rows, [.. Measure.Main, Measure.Temperature, Measure.TrainLoss, Measure.Minutes]) + "\n\n"
                    + Tables.Differences(rows, "base", Measure.Main)),
            "learnt-smaller" => If(Rows("learnt-until-the-end-smaller-radius"), rows =>
                Tables.Means(rows, [.. Measure.Main, Measure.Temperature, Measure.TrainLoss]) + "\n\n"
                    + Tables.Differences(rows, "base", Measure.Main)),
            "methods" => If(Rows("fine-tuning-methods"), rows => FineTuningMethodsTables.Overall(rows, "base", "CSAM 1") + "\n\n"
                + FineTuningMethodsTables.Means(rows) + "\n\n" + FineTuningMethodsTables.Differences(rows, "base")),
            "methods-twice" => If(Rows("fine-tuning-methods-first"), first =>
                FineTuningMethodsTables.Twice(first, Rows("fine-tuning-methods"), "base")),
            "methods-radius" => If(FineTuningMethodsTables.AtEachRadius(
                Rows("fine-tuning-methods"), Rows("fine-tuning-methods-radius"), "CSAM 1", "0.01", "0.02"), rows =>
                FineTuningMethodsTables.Overall(rows, "ρ = 0.01") + "\n\n" + FineTuningMethodsTables.Means(rows) + "\n\n"
                    + FineTuningMethodsTables.Differences(rows, "ρ = 0.01")),
            "smooth-errors" => If(Rows("fine-tuning-methods-smooth"), FineTuningMethodsTables.SmoothErrors),
            "soups" => If(Rows("model-soups"), FineTuningTables.Soups),
            "kept" => If(Rows("cheaper", Of(1)), Tables.Kept),
            "averages" => If(Rows("averaging", Of(1)), Tables.Averages),
            "early-stopping" => If(Rows("early-stopping", Of(1)), EarlyStopping),
            "ways" => If(Rows(Of(1)), rows => FineTuningTables.Ways(rows) + "\n\n" + FineTuningTables.AgainstDefault(rows)),
            "rivals" => If(Rows("fine-tuning-rivals"), FineTuningTables.Rivals),
            "against-rivals" => If(Rows("fine-tuning-rivals"), FineTuningTables.AgainstRivals),
            "out-of-distribution" => If(Rows("out-of-distribution", Of(1)), FineTuningTables.OutOfDistribution),
            "figure" => If(FigureRows(Of(1)), rows => Draw(Of(1), rows, folder)),
            _ => throw new InvalidDataException($"The template asks for '{words[0]}', which is not known."),
        };
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

    private IReadOnlyList<ResultRow> FigureRows(string name) => NamedFigures.TryGetValue(name, out var figure)
        ? Rows(figure.Experiment, figure.Setting)
        : throw new InvalidDataException($"The template asks for the figure '{name}', which is not known.");

    private string Draw(string name, IReadOnlyList<ResultRow> rows, string folder)
    {
        NamedFigures[name].Draw(rows).SavePng(Path.Combine(figures, name + ".png"));
        return $"![{NamedFigures[name].Caption}]({folder}/{name}.png)";
    }

    private IReadOnlyList<ResultRow> Rows(string experiment, string? setting = null)
    {
        IReadOnlyList<ResultRow> rows = ResultFile.Read(Path.Combine(results, experiment + ".csv"));
        return setting is null ? rows : [.. rows.Where(row => row["setting"] == setting)];
    }

    [GeneratedRegex(@"(?<=^)\{\{([^}]+)\}\}(?=\r?$)", RegexOptions.Multiline)]
    private static partial Regex Token();
}
