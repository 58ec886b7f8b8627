using System.Globalization;
using System.Xml.Linq;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Tables of a report and their cells.</summary>
internal static class ReportTable
{
    /// <summary>A table that can be scrolled where the page is narrow.</summary>
    public static XElement Of(IEnumerable<XElement> head, IEnumerable<XElement> rows) => Html.Of("div", Html.Class("scroll"),
        Html.Of("table", Html.Of("thead", Html.Of("tr", head)), Html.Of("tbody", rows)));

    public static XElement NumberHead(string text) => Html.Of("th", Html.Class("n"), text);

    public static XElement Number(FormattableString text) => Html.Of("td", Html.Class("n"), Invariant(text));

    /// <summary>A number and below it its interval; a dash for NaN.</summary>
    public static XElement Number(ConfidenceInterval interval, string format, bool isBold = false) => double.IsNaN(interval.Estimate)
        ? Html.Of("td", Html.Class("n"), "–")
        : Html.Of("td", Html.Class(isBold ? "n best" : "n"), interval.Estimate.ToString(format, CultureInfo.InvariantCulture),
            Range(interval, format));

    public static XElement Range(ConfidenceInterval interval, string format)
    {
        string between = format.StartsWith('+') ? " to " : " – ";        // beside signs a dash is hard to read
        return Html.Of("div", Html.Class("range"), Text(interval.Lower) + between + Text(interval.Upper));

        string Text(double value) => value.ToString(format, CultureInfo.InvariantCulture);
    }
}
