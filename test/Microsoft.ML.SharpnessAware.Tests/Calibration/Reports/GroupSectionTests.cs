using System.Xml.Linq;
using static Microsoft.ML.SharpnessAware.Tests.Calibration.SavedReports;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class GroupSectionTests
{
    /// <summary>51 groups of two rows each but for one, for which there is no place.</summary>
    [TestMethod]
    public void OfManyGroupsTheLargestAreShown()
    {
        const int Groups = 51, Small = 20;
        BinaryCalibrationAccumulator accumulator = new(15);
        for (int group = 0; group < Groups; group++)
        {
            accumulator.Add(.5f, isPositive: true, group);
            if (group != Small)
                accumulator.Add(.5f, isPositive: false, group);
        }

        BinaryCalibrationMetrics metrics = accumulator.GetMetrics(
            groups: Enumerable.Range(0, Groups).Select(group => (group, $"{group}", default(LeftOutRows))));
        XElement page = Html.Of("main", new GroupSection(metrics).Write());

        CollectionAssert.AreEqual(Enumerable.Range(0, Groups).Where(group => group != Small).Select(group => $"{group}").ToArray(),
            Heads(Table(page, "Groups").Skip(1)));      // below all rows
        StringAssert.Contains(page.Value, "Shown are the 50 largest of 51 groups.");
    }
}
