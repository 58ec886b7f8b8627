using System.Xml.Linq;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What a report says of a model's prediction sets and of its abstention.</summary>
internal sealed class DecisionSection(ReportModel model, Func<CalibrationFigure, string, XElement> figure)
{
    private const int MostRows = 50;
    private const string Share = "P2";

    public IEnumerable<XElement> Write() =>
        [.. model.Sets is null ? [] : Sets(model.Sets), .. model.Abstention is null ? [] : Abstention(model.Abstention)];

    private IEnumerable<XElement> Sets(PredictionSetMetrics sets)
    {
        List<XElement> figures = [figure(CalibrationFigure.PredictionSetSizes(sets), $"Sizes of the prediction sets of {model.Name}")];
        if (!double.IsNaN(sets.CoverageAsked))
            figures.Insert(0, figure(CalibrationFigure.PredictionSetCoverage([sets]),
                $"Coverage of the prediction sets of {model.Name}"));
        return
        [
            Html.Of("h3", "Prediction sets"), Html.Of("p", PlainWords.Sets(sets)),
            ReportTable.Of([Html.Of("th", "Measure"), ReportTable.NumberHead("Value")],
            [
                .. double.IsNaN(sets.CoverageAsked) ? [] : new[] { Line("Coverage asked", "How often a set is to hold the right class.",
                    ReportTable.Number($"{sets.CoverageAsked:P2}")) },
                Line("Coverage got", $"How often it does, {With(sets.NumberOfClusters)}.",
                    ReportTable.Number(sets.CoverageInterval, Share)),
                Line("Mean size", "Classes in a set: the fewer, the more it says.", ReportTable.Number($"{sets.MeanSize:F2}")),
                Line("Sets of one class", "These are answers.", ReportTable.Number($"{sets.SingleShare:P2}")),
                Line("Empty sets",
                    "Least ambiguous: no class is probable enough. Adaptive: the model is surer than was asked; its prediction stands.",
                    ReportTable.Number($"{sets.EmptyShare:P2}")),
                Line("Largest gap of a class",
                    "How far the coverage of a class lies from that of all rows, at most. One of few rows can decide it, by chance.",
                    ReportTable.Number($"{100 * sets.LargestClassGap:F1} points")),
                Line("Largest gap of a size", "The same of the sets of one size, empty ones aside, which may have few rows, too.",
                    ReportTable.Number($"{100 * sets.LargestSizeGap:F1} points")),
            ]),
            Html.Of("div", Html.Class("figures"), figures),
            .. sets.NumberOfClusters is null ? Array.Empty<XElement>()
                : [Html.Of("p", Html.Class("quiet"), "Intervals of classes and sizes take rows as independent.")],
            .. ByClass(sets), .. BySize(sets),
            .. ReportExamples.Of("Largest sets", "Where the model is most at a loss.", model.LargestSets),
        ];
    }

    private static IEnumerable<XElement> ByClass(PredictionSetMetrics sets)
    {
        ClassCoverage[] classes = [.. sets.PerClass.Where(one => one.Count > 0)];
        bool selected = classes.Length > MostRows;
        IEnumerable<ClassCoverage> shown = selected ? classes.OrderBy(one => one.Coverage.Estimate).Take(MostRows) : classes;
        return
        [
            Html.Of("h4", "Coverage by class"),
            .. selected ? [Html.Of("p", Html.Class("quiet"),
                Invariant($"Shown are the {MostRows} of {classes.Length:N0} classes with the lowest coverage, lowest first."))]
                : Array.Empty<XElement>(),
            ReportTable.Of([Html.Of("th", "Class"), ReportTable.NumberHead("Rows"), ReportTable.NumberHead("Coverage")],
                shown.Select(one => Html.Of("tr", Html.Of("th", one.ClassName), ReportTable.Number($"{one.Count:N0}"),
                    ReportTable.Number(one.Coverage, Share)))),
        ];
    }

    private static IEnumerable<XElement> BySize(PredictionSetMetrics sets)
    {
        bool selected = sets.PerSize.Count > MostRows;
        return
        [
            Html.Of("h4", "Coverage by size"),
            .. selected ? [Html.Of("p", Html.Class("quiet"),
                Invariant($"Shown are the {MostRows} most frequent of {sets.PerSize.Count:N0} sizes."))] : Array.Empty<XElement>(),
            ReportTable.Of(new[] { "Classes in the set", "Rows", "Share of rows", "Coverage" }.Select(ReportTable.NumberHead),
                sets.PerSize.OrderByDescending(one => one.Count).Take(MostRows).OrderBy(one => one.Size).Select(one => Html.Of("tr",
                    ReportTable.Number($"{one.Size:N0}"), ReportTable.Number($"{one.Count:N0}"),
                    ReportTable.Number($"{(double)one.Count / sets.Count:P2}"), ReportTable.Number(one.Coverage, Share)))),
        ];
    }

    private static IEnumerable<XElement> Abstention(AbstentionMetrics abstention) =>
    [
        Html.Of("h3", "Abstention"), Html.Of("p", PlainWords.Abstention(abstention)),
        ReportTable.Of([Html.Of("th", "Measure"), ReportTable.NumberHead("Value")],
        [
            .. double.IsNaN(abstention.AccuracyAsked) ? [] : new[] { Line("Accuracy asked", double.IsNaN(abstention.ConfidenceAsked)
                ? "Of the accepted rows." : Invariant($"Of the accepted rows, with a confidence of {abstention.ConfidenceAsked:0.## %}."),
                ReportTable.Number($"{abstention.AccuracyAsked:P2}")) },
            Line("Accepted", $"The share of rows that are answered, {With(abstention.NumberOfClusters)}.",
                ReportTable.Number(abstention.AcceptedShare, Share)),
            Line("Accuracy on these", "How often the model is right on them.", ReportTable.Number(abstention.AcceptedAccuracy, Share)),
            Line("Accuracy on the others", "What answering them too would have given.",
                ReportTable.Number(abstention.RejectedAccuracy, Share)),
        ]),
    ];

    private static string With(int? clusters) => clusters is null ? "with the exact 95 % interval"
        : $"with the 95 % interval of {PlainWords.Rows(0, clusters)}";

    private static XElement Line(string name, string explanation, XElement value) =>
        Html.Of("tr", Html.Of("th", name, Html.Of("div", Html.Class("why"), explanation)), value);
}
