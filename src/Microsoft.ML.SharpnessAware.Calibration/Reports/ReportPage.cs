using System.Globalization;
using System.Xml.Linq;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Writes a <see cref="CalibrationReport"/> as one page of HTML.</summary>
internal sealed class ReportPage(string title, IReadOnlyList<ReportModel> models)
{
    private const int MaximumClasses = 50;

    private int _figures;

    public string Write() => Html.Page(Html.Of("html", new XAttribute("lang", "en"),
        Html.Of("head",
            Html.Of("meta", new XAttribute("charset", "utf-8")),
            Html.Of("meta", new XAttribute("name", "viewport"), new XAttribute("content", "width=device-width, initial-scale=1")),
            Html.Of("title", title),
            new XElement("style", ReportStyle.Css)),
        Html.Of("body", Html.Of("main", Html.Of("h1", title), Headlines(), MetricTable(), Comparison(), models.Select(Model)))));

    private IEnumerable<XElement> Headlines() => models.Select(model => Html.Of("div", Html.Class("headline"),
        Html.Of("h3", model.Name),
        Html.Of("p", Html.Class("say"), PlainWords.Headline(model.Metrics)),
        Html.Of("p", PlainWords.Details(model.Metrics)),
        model.Sets is null ? null : Html.Of("p", PlainWords.Sets(model.Sets)),
        model.Abstention is null ? null : Html.Of("p", PlainWords.Abstention(model.Abstention))));

    private XElement[] MetricTable()
    {
        MetricRow[] rows = [.. MetricRow.For([.. models.Select(model => model.Metrics)])];
        return
        [
            Html.Of("h2", "All numbers"),
            ReportTable.Of([Html.Of("th", "Metric"), .. models.Select(model => ReportTable.NumberHead(model.Name))], rows.Select(Row)),
            Html.Of("p", Html.Class("quiet"),
                (models.Count > 1 ? "Bold: the best of the models, by a difference that may be chance. " : "")
                + Invariant($"Small below a value: its {models[0].Intervals.ConfidenceLevel:0.# %} interval. ")
                + string.Concat(models.GroupBy(model => model.Intervals.NumberOfClusters).Where(of => of.Key is not null).Select(of =>
                    $"Intervals{(of.Count() == models.Count ? "" : $" of {string.Join(", ", of.Select(model => model.Name))}")} "
                    + $"are of {PlainWords.Rows(0, of.Key)}. "))
                + "Calibration errors are never quite 0 on few rows, even of a perfect model; their intervals allow for that, "
                + "and may lie below the value."),
        ];
    }

    private XElement Row(MetricRow row)
    {
        double[] values = [.. models.Select(model => row.Value(model.Metrics))];
        double[] known = [.. values.Where(value => !double.IsNaN(value)).DefaultIfEmpty(double.NaN)];
        string[] texts = [.. values.Select(value => double.IsNaN(value) ? "–" : value.ToString(row.Format, CultureInfo.InvariantCulture))];
        double best = row.Best == 0 || values.Length == 1 ? double.NaN : row.Best > 0 ? known.Max() : known.Min();
        string? bestText = texts.Distinct().Count() > 1 ? best.ToString(row.Format, CultureInfo.InvariantCulture) : null;
        return Html.Of("tr", Html.Of("th", row.Name, Html.Of("div", Html.Class("why"), row.Explanation)),
            texts.Zip(models, (text, model) => Html.Of("td", Html.Class(text == bestText ? "n best" : "n"), text, Interval(row, model))));
    }

    private static XElement? Interval(MetricRow row, ReportModel model)
    {
        if (row.Interval is null)
            return null;
        return ReportTable.Range(row.Interval(model.Intervals), row.Format);
    }

    private IEnumerable<XElement> Comparison()
    {
        if (models.Count == 1)
            return [];
        List<XElement> figures = [];
        foreach (ReportModel[] some in models.Chunk(CalibrationFigure.MaximumNumberOfModels))
        {
            string names = string.Join(", ", some.Select(model => model.Name));
            figures.Add(Figure(CalibrationFigure.Comparison([.. some.Select(model => (model.Name, model.Metrics))]),
                $"Reliability diagrams of {names}"));
            if (some[0].Metrics is MulticlassCalibrationMetrics)
                figures.Add(Figure(CalibrationFigure.AccuracyRejection(
                    some.Select(model => (model.Name, (MulticlassCalibrationMetrics)model.Metrics))),
                    $"Accuracy-rejection curves of {names}"));
        }

        return [Html.Of("h2", "The models beside one another"), Html.Of("div", Html.Class("figures"), figures), .. Differences()];
    }

    private IEnumerable<XElement> Differences()
    {
        ClassifierCalibrationMetrics first = models[0].Metrics;
        bool isBinary = first is BinaryCalibrationMetrics;
        ILookup<bool, ReportModel> others = models.Skip(1).ToLookup(model => model.Metrics.IsOfTheSameRows(first));
        yield return Html.Of("h3", $"Differences to {models[0].Name}");
        (string Name, CalibrationComparison Difference)[] compared =
            [.. others[true].Select(model => (model.Name, model.Metrics.Compare(first)))];
        if (compared.Length > 0)
        {
            yield return ReportTable.Of(
                [Html.Of("th", "Model"), .. new[] { isBinary ? "Mean probability" : "Accuracy", "ECE", "Brier score", "Log loss" }
                    .Select(ReportTable.NumberHead)],
                compared.Select(other => Html.Of("tr", Html.Of("th", other.Name),
                    Cell(isBinary ? other.Difference.MeanConfidence : other.Difference.Accuracy, "+0.00 %;−0.00 %;0.00 %"),
                    Cell(other.Difference.ExpectedCalibrationError, "+0.00 %;−0.00 %;0.00 %"),
                    Cell(other.Difference.BrierScore, "+0.0000;−0.0000;0.0000"),
                    Cell(other.Difference.LogLoss, "+0.0000;−0.0000;0.0000"))));
            var byClusters = compared.ToLookup(other => other.Difference.NumberOfClusters);
            yield return Html.Of("p", Html.Class("quiet"), "Row by row on the same rows, with 95 % intervals. Bold: more than chance, as "
                + $"far as {string.Join(" and ", byClusters.Select(of => Independent(of.Key)
                    + (byClusters.Count == 1 ? "" : $" ({string.Join(", ", of.Select(other => other.Name))})")))} are independent.");
        }

        if (others[false].Any())
        {
            yield return Html.Of("p", Html.Class("quiet"), $"Not compared row by row: {string.Join(", ", others[false].Select(model =>
                model.Name))}. The rows, their order, their classes or their clusters are not those of {models[0].Name}.");
        }

        static string Independent(int? clusters) => clusters is null ? "these rows" : $"the {PlainWords.Rows(0, clusters)}";

        static XElement Cell(ConfidenceInterval difference, string format) => ReportTable.Number(difference, format,
            isBold: difference.Lower > 0 || difference.Upper < 0);
    }

    private XElement Model(ReportModel model)
    {
        ClassifierCalibrationMetrics metrics = model.Metrics;
        List<XElement> figures =
            [Figure(CalibrationFigure.Reliability(metrics.ReliabilityDiagram), $"Reliability diagram of {model.Name}")];
        if (metrics is not MulticlassCalibrationMetrics ofClasses)
            figures.Add(Figure(CalibrationFigure.Reliability(metrics.AdaptiveReliabilityDiagram, "In bins of equally many rows"),
                $"Reliability diagram of {model.Name} in bins of equally many rows"));
        else
            AddFigures(ofClasses);

        return Html.Of("section", Html.Of("h2", model.Name),
            Html.Of("div", Html.Class("figures"), figures), Classes(metrics as MulticlassCalibrationMetrics),
            new GroupSection(metrics).Write(), new DecisionSection(model, Figure).Write(),
            ReportExamples.Of("Most confident wrong predictions", "Where acting on the confidence would hurt most.",
                model.ConfidentlyWrong),
            ReportExamples.Of("Least confident right predictions", "Right, but the model would not have said so.", model.HesitantlyRight));

        void AddFigures(MulticlassCalibrationMetrics ofClasses)
        {
            figures.Add(Figure(CalibrationFigure.ConfidenceHistogram(ofClasses), $"Confidence histogram of {model.Name}"));
            if (models.Count == 1)
                figures.Add(Figure(CalibrationFigure.AccuracyRejection([(model.Name, ofClasses)]),
                    $"Accuracy-rejection curve of {model.Name}"));
            if (ofClasses.PerClass.Count == 0)
                return;
            XElement grid = Figure(CalibrationFigure.PerClass(ofClasses), $"Reliability diagrams of the classes of {model.Name}");
            grid.SetAttributeValue("class", "wide");
            figures.Add(grid);
        }
    }

    private XElement Figure(CalibrationFigure figure, string description)
        => Html.Of(figure, Invariant($"f{_figures++}-"), description);

    private static IEnumerable<XElement> Classes(MulticlassCalibrationMetrics? metrics)
    {
        if (metrics is null || metrics.PerClass.Count == 0)
            return [];
        IReadOnlyList<ClassCalibration> classes = metrics.PerClass;
        bool selected = classes.Count > MaximumClasses;
        IEnumerable<ClassCalibration> shown = selected
            ? classes.OrderByDescending(one => one.ExpectedCalibrationError).Take(MaximumClasses) : classes;
        return
        [
            Html.Of("h3", "Classes"),
            Html.Of("p", Html.Class("quiet"), "Every row counts for every class, by the probability given to it." + (!selected ? ""
                : Invariant($" Shown are the {MaximumClasses} of {classes.Count:N0} classes with the largest ECE, worst first."))),
            ReportTable.Of(
                [Html.Of("th", "Class"), .. new[] { "Rows", "Share of rows", "Mean probability", "Difference in points", "ECE" }
                    .Select(ReportTable.NumberHead)],
                shown.Select(one => Html.Of("tr", Html.Of("th", one.ClassName), ReportTable.Number($"{one.Count:N0}"),
                    ReportTable.Number($"{one.Frequency:P2}"), ReportTable.Number($"{one.MeanConfidence:P2}"),
                    ReportTable.Number($"{100 * (one.MeanConfidence - one.Frequency):+0.00;−0.00;0.00}"),
                    ReportTable.Number($"{one.ExpectedCalibrationError:P2}")))),
        ];
    }
}
