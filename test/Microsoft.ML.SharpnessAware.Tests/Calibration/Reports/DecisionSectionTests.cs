using System.Globalization;
using System.Xml.Linq;
using static Microsoft.ML.SharpnessAware.Tests.Calibration.SavedReports;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class DecisionSectionTests
{
    /// <summary>51 classes and sizes, of two rows each and one of them covered, but for three: one whose rows are all covered, one whose
    /// are not, and one of a single row, which is not.</summary>
    [TestMethod]
    public void OfManyClassesTheLeastCoveredAreShownAndOfManySizesTheMostFrequent()
    {
        const int Classes = 51, Covered = 3, Uncovered = 5, Single = 7;
        SetCounts counts = new(Classes);
        for (int k = 0; k < Classes; k++)
        {
            counts.Add(k, size: k + 1, holds: k == Covered);
            if (k != Single)
                counts.Add(k, size: k + 1, holds: k != Uncovered);
        }

        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute([.8f, .2f], [0], 2);
        ReportModel model = new("m", metrics, [], [])
        {
            Sets = new PredictionSetMetrics(counts, [.. Enumerable.Range(0, Classes).Select(k => $"{k}")], 0),
        };
        XElement page = Html.Of("main", new DecisionSection(model, (_, _) => Html.Of("svg")).Write());

        CollectionAssert.AreEqual(new[] { Uncovered, Single }.Concat(
            Enumerable.Range(0, Classes).Where(k => k is not (Covered or Uncovered or Single))).Select(k => $"{k}").ToArray(),
            Heads(Table(page, "Coverage by class", "h4")));
        CollectionAssert.AreEqual(Enumerable.Range(1, Classes).Where(size => size != Single + 1).ToArray(),
            Table(page, "Coverage by size", "h4").Select(row => int.Parse(row.Element("td")!.Value, CultureInfo.InvariantCulture))
                .ToArray());
        StringAssert.Contains(page.Value, "Shown are the 50 of 51 classes with the lowest coverage, lowest first.");
        StringAssert.Contains(page.Value, "Shown are the 50 most frequent of 51 sizes.");
    }
}
