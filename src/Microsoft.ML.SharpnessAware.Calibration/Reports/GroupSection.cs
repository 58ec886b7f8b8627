using System.Xml.Linq;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What a report says of groups of rows.</summary>
internal sealed class GroupSection(ClassifierCalibrationMetrics metrics)
{
    private const int MostGroups = 50;

    public IEnumerable<XElement> Write()
    {
        (string Name, ClassifierCalibrationMetrics Metrics)[] groups = metrics switch
        {
            MulticlassCalibrationMetrics ofClasses => [.. ofClasses.PerGroup.Select(group => (group.GroupName, group.Metrics))],
            BinaryCalibrationMetrics binary => [.. binary.PerGroup.Select(group => (group.GroupName, group.Metrics))],
            _ => [],
        };
        if (groups.Length == 0)
            return [];
        bool selected = groups.Length > MostGroups, isBinary = metrics is BinaryCalibrationMetrics;
        IEnumerable<(string Name, ClassifierCalibrationMetrics Metrics)> shown = selected
            ? groups.OrderByDescending(group => group.Metrics.Count).Take(MostGroups) : groups;
        CalibrationIntervals all = metrics.Intervals();
        return
        [
            Html.Of("h3", "Groups"),
            Html.Of("p", Html.Class("quiet"), "With 95 % intervals. Bold: the interval does not hold the value of all rows."
                + (selected ? Invariant($" Shown are the {MostGroups} largest of {groups.Length:N0} groups.") : "")),
            ReportTable.Of(
                [Html.Of("th", "Group"), .. new[]
                {
                    "Rows", isBinary ? "Share positive" : "Accuracy", isBinary ? "Mean probability" : "Mean confidence", "ECE",
                    "Brier score", "Log loss",
                }.Select(ReportTable.NumberHead)],
                [Row("All rows", metrics, all), .. shown.Select(group => Row(group.Name.Length == 0 ? "(missing)" : group.Name,
                    group.Metrics, group.Metrics.Intervals()))]),
        ];

        XElement Row(string name, ClassifierCalibrationMetrics ofGroup, CalibrationIntervals intervals)
        {
            return Html.Of("tr", Html.Of("th", name), ReportTable.Number($"{ofGroup.Count:N0}"),
                Cell("P2", item => item.Accuracy), Cell("P2", item => item.MeanConfidence),
                Cell("P2", item => item.ExpectedCalibrationError), Cell("F4", item => item.BrierScore), Cell("F4", item => item.LogLoss));

            XElement Cell(string format, Func<CalibrationIntervals, ConfidenceInterval> value)
            {
                double ofAll = value(all).Estimate;
                return ReportTable.Number(value(intervals), format, ofAll < value(intervals).Lower || ofAll > value(intervals).Upper);
            }
        }
    }
}
