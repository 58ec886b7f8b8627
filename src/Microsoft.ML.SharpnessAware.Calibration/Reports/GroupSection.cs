using System.Xml.Linq;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What a report says of groups of rows.</summary>
internal sealed class GroupSection(MulticlassCalibrationMetrics? metrics)
{
    private const int MostGroups = 50;

    public IEnumerable<XElement> Write()
    {
        if (metrics is null || metrics.PerGroup.Count == 0)
            return [];
        bool selected = metrics.PerGroup.Count > MostGroups;
        IEnumerable<GroupCalibration> shown = selected
            ? metrics.PerGroup.OrderByDescending(group => group.Metrics.Count).Take(MostGroups) : metrics.PerGroup;
        CalibrationIntervals all = metrics.Intervals();
        return
        [
            Html.Of("h3", "Groups"),
            Html.Of("p", Html.Class("quiet"), "With 95 % intervals. Bold: the interval does not hold the value of all rows."
                + (selected ? Invariant($" Shown are the {MostGroups} largest of {metrics.PerGroup.Count:N0} groups.") : "")),
            ReportTable.Of([Html.Of("th", "Group"), .. new[] { "Rows", "Accuracy", "Mean confidence", "ECE", "Brier score", "Log loss" }
                    .Select(ReportTable.NumberHead)],
                [Row("All rows", metrics, all), .. shown.Select(group => Row(group.GroupName.Length == 0 ? "(missing)" : group.GroupName,
                    group.Metrics, group.Metrics.Intervals()))]),
        ];

        XElement Row(string name, MulticlassCalibrationMetrics ofGroup, CalibrationIntervals intervals)
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
