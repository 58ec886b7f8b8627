using System.Globalization;
using System.Xml.Linq;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Rows worth showing, with their pictures.</summary>
internal static class ReportExamples
{
    private const int Side = Thumbnail.MaximumSide;

    public static IEnumerable<XElement> Of(string heading, string explanation, IReadOnlyList<ReportExample> examples) =>
        List(heading, explanation, examples.Select(Example));

    public static IEnumerable<XElement> Of(string heading, string explanation, IReadOnlyList<SetExample> examples) =>
        List(heading, explanation, examples.Select(Example));

    private static IEnumerable<XElement> List(string heading, string explanation, IEnumerable<XElement> items)
    {
        XElement list = Html.Of("ol", Html.Class("examples"), items);
        return !list.HasElements ? []
            : [Html.Of("h3", heading), Html.Of("p", Html.Class("quiet"), explanation), list];
    }

    private static XElement Example(ReportExample example)
    {
        bool right = example.Scored.Label == example.Scored.Predicted;
        return Item(SourceRow.NumberOf(example.Scored.Id, example.Scored.Row), example.TrueClass, example.Image, example.Path,
        [
            Html.Of("strong", Html.Class(right ? "right" : "wrong"), $"{Share(example.Scored.Confidence)} {example.PredictedClass}"),
            right ? null : (object[])[Html.Of("br"), "is ", Html.Of("strong", example.TrueClass),
                $", given {Share(example.Scored.LabelProbability)}"],
        ]);
    }

    private static XElement Example(SetExample example) => Item(
        SourceRow.NumberOf(example.Set.Id, example.Set.Row), example.TrueClass, example.Image, example.Path,
    [
        Html.Of("strong", Invariant($"{example.Set.Size} classes")),
        ": " + string.Join(", ", example.Classes) + (example.Classes.Count < example.Set.Size ? ", …" : ""),
        Html.Of("br"), "is ", Html.Of("strong", Html.Class(example.Set.Holds ? "right" : "wrong"), example.TrueClass),
        example.Set.Holds ? null : ", not in the set",
    ]);

    private static XElement Item(long row, string trueClass, Thumbnail? image, string? path, object?[] texts) =>
        Html.Of("li", Image(row, trueClass, image), Html.Of("div", [.. texts, Html.Of("br"),
            Html.Of("span", Html.Class("quiet"), Invariant($"row {row}")),
            path is null ? null : (object[])[Html.Of("br"), Html.Of("span", Html.Class("quiet"), path)]]));

    /// <summary>99.97 % must not read as certainty.</summary>
    private static string Share(float probability)
    {
        int decimals = 1;
        while (probability < 1 && decimals < 5 && Math.Round(100.0 * probability, decimals) >= 100)
            decimals++;
        return probability.ToString($"P{decimals}", CultureInfo.InvariantCulture);
    }

    private static XElement? Image(long row, string trueClass, Thumbnail? thumbnail)
    {
        if (thumbnail is not { } image)
            return null;
        if (image.Problem is string problem)
            return Html.Of("div", Html.Class("noimage"), $"No image: {problem}");

        double scale = (double)Side / Math.Max(image.Width, image.Height);
        if (scale > 1)
            scale = Math.Floor(scale);      // pixels of an even size
        return Html.Of("img", scale > 1 ? Html.Class("small") : null,
            new XAttribute("src", $"data:{image.MediaType};base64,{Convert.ToBase64String(image.File)}"),
            new XAttribute("width", (int)(scale * image.Width)), new XAttribute("height", (int)(scale * image.Height)),
            Html.Attribute("alt", Invariant($"Row {row}: ") + trueClass));
    }
}
