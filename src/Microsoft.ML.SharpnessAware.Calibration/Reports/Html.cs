using System.Xml.Linq;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Elements of a page that is HTML and well-formed XML at once. Texts are encoded by construction; what no element can hold is replaced
/// (<see cref="PrintableText"/>).
/// </summary>
internal static class Html
{
    private static readonly string[] WithoutContent = ["meta", "img", "br"];

    /// <summary>An element with a text, elements, attributes and lists of them.</summary>
    public static XElement Of(string name, params object?[] content)
    {
        XElement element = new(name, [.. content.Select(part => part is string text ? PrintableText.Of(text) : part)]);
        if (element.IsEmpty && !WithoutContent.Contains(name))
            element.Value = "";     // HTML knows no <td/>
        return element;
    }

    public static XAttribute Attribute(string name, string value) => new(name, PrintableText.Of(value));

    public static XAttribute Class(string name) => new("class", name);

    /// <summary>
    /// A figure as an element of the page. Identifiers are made unique by a prefix, since all figures of a page share one space of names;
    /// XML namespaces are left out, because HTML knows what an svg element is.
    /// </summary>
    public static XElement Of(CalibrationFigure figure, string prefix, string description)
    {
        using MemoryStream stream = new();
        figure.WriteSvg(stream);
        stream.Position = 0;
        XElement svg = XDocument.Load(stream).Root!;
        foreach (XElement element in svg.DescendantsAndSelf())
        {
            element.Name = element.Name.LocalName;
            element.ReplaceAttributes(element.Attributes().Where(attribute => !attribute.IsNamespaceDeclaration).Select(attribute
                => new XAttribute(attribute.Name.LocalName, attribute.Name.LocalName == "id" ? prefix + attribute.Value
                    : attribute.Value.Replace("url(#", $"url(#{prefix}", StringComparison.Ordinal))));
        }

        string width = svg.Attribute("width")!.Value;
        svg.SetAttributeValue("viewBox", $"0 0 {width} {svg.Attribute("height")!.Value}");
        svg.SetAttributeValue("role", "img");
        svg.SetAttributeValue("aria-label", PrintableText.Of(description));
        return Of("figure", svg);
    }

    /// <summary>The page with its document type.</summary>
    public static string Page(XElement html) => "<!DOCTYPE html>\n" + html.ToString(SaveOptions.DisableFormatting) + "\n";
}
