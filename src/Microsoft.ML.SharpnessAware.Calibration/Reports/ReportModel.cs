namespace Microsoft.ML.SharpnessAware;

/// <summary>What a report shows of one model.</summary>
internal sealed record ReportModel(
    string Name, MulticlassCalibrationMetrics Metrics,
    IReadOnlyList<ReportExample> ConfidentlyWrong, IReadOnlyList<ReportExample> HesitantlyRight)
{
    public CalibrationIntervals Intervals { get; } = Metrics.Bootstrap();
}
