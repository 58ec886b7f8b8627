using System.Globalization;
using System.Xml.Linq;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Writes a <see cref="CalibrationReport"/> as one page of HTML.</summary>
internal sealed class ReportPage(string title, IReadOnlyList<ReportModel> models)
{
    private const int MaximumClasses = 50;
    private const int ExampleSide = Thumbnail.MaximumSide;

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
        Html.Of("p", PlainWords.Details(model.Metrics))));

    private XElement[] MetricTable()
    {
        MetricRow[] rows = [.. MetricRow.For([.. models.Select(model => model.Metrics)])];
        return
        [
            Html.Of("h2", "All numbers"),
            Scroll(Html.Of("table",
                Html.Of("thead", Html.Of("tr", Html.Of("th", "Metric"),
                    models.Select(model => Html.Of("th", Html.Class("n"), model.Name)))),
                Html.Of("tbody", rows.Select(Row)))),
            Html.Of("p", Html.Class("quiet"),
                (models.Count > 1 ? "Bold: the best of the models, by a difference that may be chance. " : "")
                + Invariant($"Small below a value: its {models[0].Intervals.ConfidenceLevel:0.#%} interval. ")
                + "Calibration errors are never quite 0 on few rows, even of a perfect model; their intervals allow for that, "
                + "and may lie below the value."),
        ];
    }

    private XElement Row(MetricRow row)
    {
        double[] values = [.. models.Select(model => row.Value(model.Metrics))];
        string[] texts = [.. values.Select(value => double.IsNaN(value) ? "–" : value.ToString(row.Format, CultureInfo.InvariantCulture))];
        double best = row.Best == 0 || values.Length == 1 ? double.NaN : row.Best > 0 ? values.Max() : values.Min();
        string? bestText = texts.Distinct().Count() > 1 ? best.ToString(row.Format, CultureInfo.InvariantCulture) : null;
        return Html.Of("tr", Html.Of("th", row.Name, Html.Of("div", Html.Class("why"), row.Explanation)),
            texts.Zip(models, (text, model) => Html.Of("td", Html.Class(text == bestText ? "n best" : "n"), text, Interval(row, model))));
    }

    private static XElement? Interval(MetricRow row, ReportModel model)
    {
        if (row.Interval is null)
            return null;
        ConfidenceInterval interval = row.Interval(model.Intervals);
        return Html.Of("div", Html.Class("range"), $"{Text(interval.Lower)} – {Text(interval.Upper)}");

        string Text(double value) => value.ToString(row.Format, CultureInfo.InvariantCulture);
    }

    private IEnumerable<XElement> Comparison()
    {
        if (models.Count == 1)
            return [];
        List<XElement> figures = [];
        foreach (ReportModel[] some in models.Chunk(CalibrationFigure.MaximumNumberOfModels))
        {
            (string, MulticlassCalibrationMetrics)[] shown = [.. some.Select(model => (model.Name, model.Metrics))];
            string names = string.Join(", ", some.Select(model => model.Name));
            figures.Add(Figure(CalibrationFigure.ReliabilityComparison(shown), $"Reliability diagrams of {names}"));
            figures.Add(Figure(CalibrationFigure.AccuracyRejection(shown), $"Accuracy-rejection curves of {names}"));
        }

        return [Html.Of("h2", "The models beside one another"), Html.Of("div", Html.Class("figures"), figures), .. Differences()];
    }

    private IEnumerable<XElement> Differences()
    {
        ReportModel first = models[0];
        (ReportModel Model, CalibrationComparison Difference)[] others =
            [.. models.Skip(1).Where(model => model.Metrics.IsOfTheSameRows(first.Metrics))
                .Select(model => (model, model.Metrics.CompareTo(first.Metrics)))];
        if (others.Length == 0)
            return [];
        return
        [
            Html.Of("h3", $"Differences to {first.Name}"),
            Scroll(Html.Of("table",
                Html.Of("thead", Html.Of("tr", Html.Of("th", "Model"), NumberHead("Accuracy"), NumberHead("ECE"),
                    NumberHead("Brier score"), NumberHead("Log loss"))),
                Html.Of("tbody", others.Select(other => Html.Of("tr", Html.Of("th", other.Model.Name),
                    Cell(other.Difference.Accuracy, "P2"), Cell(other.Difference.ExpectedCalibrationError, "P2"),
                    Cell(other.Difference.BrierScore, "F4"), Cell(other.Difference.LogLoss, "F4")))))),
            Html.Of("p", Html.Class("quiet"), "Row by row on the same rows, with 95 % intervals. Bold: more than chance, as far as these " +
                "rows are independent."),
        ];

        static XElement Cell(ConfidenceInterval difference, string format) => Html.Of("td",
            Html.Class(difference.Lower > 0 || difference.Upper < 0 ? "n best" : "n"),
                difference.Estimate.ToString(format, CultureInfo.InvariantCulture),
            Html.Of("div", Html.Class("range"), string.Create(CultureInfo.InvariantCulture,
                $"{difference.Lower.ToString(format, CultureInfo.InvariantCulture)} – " +
                    $"{difference.Upper.ToString(format, CultureInfo.InvariantCulture)}")));
    }

    private XElement Model(ReportModel model)
    {
        MulticlassCalibrationMetrics metrics = model.Metrics;
        List<XElement> figures =
        [
            Figure(CalibrationFigure.Reliability(metrics.ReliabilityDiagram), $"Reliability diagram of {model.Name}"),
            Figure(CalibrationFigure.ConfidenceHistogram(metrics), $"Confidence histogram of {model.Name}"),
        ];
        if (models.Count == 1)
            figures.Add(Figure(CalibrationFigure.AccuracyRejection([(model.Name, metrics)]), $"Accuracy-rejection curve of {model.Name}"));
        if (metrics.PerClass.Count > 0)
        {
            XElement grid = Figure(CalibrationFigure.PerClass(metrics), $"Reliability diagrams of the classes of {model.Name}");
            grid.SetAttributeValue("class", "wide");
            figures.Add(grid);
        }

        return Html.Of("section", Html.Of("h2", model.Name),
            Html.Of("div", Html.Class("figures"), figures), Classes(metrics.PerClass),
            Examples("Most confident wrong predictions", "Where acting on the confidence would hurt most.", model.ConfidentlyWrong),
            Examples("Least confident right predictions", "Right, but the model would not have said so.", model.HesitantlyRight));
    }

    private XElement Figure(CalibrationFigure figure, string description)
        => Html.Of(figure, Invariant($"f{_figures++}-"), description);

    private static IEnumerable<XElement> Classes(IReadOnlyList<ClassCalibration> classes)
    {
        if (classes.Count == 0)
            return [];
        bool selected = classes.Count > MaximumClasses;
        IEnumerable<ClassCalibration> shown = selected
            ? classes.OrderByDescending(one => one.ExpectedCalibrationError).Take(MaximumClasses) : classes;
        return
        [
            Html.Of("h3", "Classes"),
            Html.Of("p", Html.Class("quiet"), "Every row counts for every class, by the probability given to it." + (!selected ? ""
                : Invariant($" Shown are the {MaximumClasses} of {classes.Count:N0} classes with the largest ECE, worst first."))),
            Scroll(Html.Of("table",
                Html.Of("thead", Html.Of("tr", Html.Of("th", "Class"), NumberHead("Rows"), NumberHead("Share of rows"),
                    NumberHead("Mean probability"), NumberHead("Difference in points"), NumberHead("ECE"))),
                Html.Of("tbody", shown.Select(one => Html.Of("tr", Html.Of("th", one.ClassName), Number($"{one.Count:N0}"),
                    Number($"{one.Frequency:P2}"), Number($"{one.MeanConfidence:P2}"),
                    Number($"{100 * (one.MeanConfidence - one.Frequency):+0.00;−0.00;0.00}"),
                    Number($"{one.ExpectedCalibrationError:P2}")))))),
        ];
    }

    private static IEnumerable<XElement> Examples(string heading, string explanation, IReadOnlyList<ReportExample> examples)
        => examples.Count == 0 ? [] :
        [
            Html.Of("h3", heading), Html.Of("p", Html.Class("quiet"), explanation),
            Html.Of("ol", Html.Class("examples"), examples.Select(Example)),
        ];

    private static XElement Example(ReportExample example)
    {
        bool right = example.Scored.Label == example.Scored.Predicted;
        return Html.Of("li", Image(example), Html.Of("div",
            Html.Of("strong", Html.Class(right ? "right" : "wrong"), $"{Share(example.Scored.Confidence)} {example.PredictedClass}"),
            right ? null : (object[])[Html.Of("br"), "is ", Html.Of("strong", example.TrueClass),
                $", given {Share(example.Scored.LabelProbability)}"],
            Html.Of("br"),
            Html.Of("span", Html.Class("quiet"), Invariant($"row {example.Scored.Row}")),
            example.Path is null ? null : (object[])[Html.Of("br"), Html.Of("span", Html.Class("quiet"), example.Path)]));
    }

    /// <summary>99.97 % must not read as certainty.</summary>
    private static string Share(float probability)
    {
        int decimals = 1;
        while (probability < 1 && decimals < 5 && Math.Round(100.0 * probability, decimals) >= 100)
            decimals++;
        return probability.ToString($"P{decimals}", CultureInfo.InvariantCulture);
    }

    private static XElement? Image(ReportExample example)
    {
        if (example.Image is not { } image)
            return null;
        if (image.Problem is string problem)
            return Html.Of("div", Html.Class("noimage"), $"No image: {problem}");

        double scale = (double)ExampleSide / Math.Max(image.Width, image.Height);
        if (scale > 1)
            scale = Math.Floor(scale);      // pixels of an even size
        return Html.Of("img", scale > 1 ? Html.Class("small") : null,
            new XAttribute("src", $"data:{image.MediaType};base64,{Convert.ToBase64String(image.File)}"),
            new XAttribute("width", (int)(scale * image.Width)), new XAttribute("height", (int)(scale * image.Height)),
            Html.Attribute("alt", Invariant($"Row {example.Scored.Row}: ") + example.TrueClass));
    }

    private static XElement Scroll(XElement table) => Html.Of("div", Html.Class("scroll"), table);

    private static XElement NumberHead(string text) => Html.Of("th", Html.Class("n"), text);

    private static XElement Number(FormattableString text) => Html.Of("td", Html.Class("n"), Invariant(text));
}
