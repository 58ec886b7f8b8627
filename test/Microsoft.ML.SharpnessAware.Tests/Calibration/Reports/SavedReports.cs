using System.Xml.Linq;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>What tests read in the page of a report.</summary>
internal static class SavedReports
{
    public static XElement Save(CalibrationReport report)
    {
        using TemporaryFolder folder = new();
        string path = folder.File("report.html");
        report.SaveHtml(path);
        return XElement.Load(path);
    }

    /// <summary>The rows of the first table below the heading.</summary>
    public static XElement[] Table(XElement page, string heading, string level = "h3") =>
        [.. page.Descendants(level).Single(element => element.Value == heading).ElementsAfterSelf("div").First().Descendants("tbody")
            .Single().Elements("tr")];

    /// <summary>Whether each number of the row is bold.</summary>
    public static bool[] AreBold(XElement row) => [.. row.Elements("td").Select(cell => cell.Attribute("class")?.Value == "n best")];

    /// <summary>What the rows are called.</summary>
    public static string[] Heads(IEnumerable<XElement> rows) => [.. rows.Select(row => row.Element("th")!.Value)];
}
