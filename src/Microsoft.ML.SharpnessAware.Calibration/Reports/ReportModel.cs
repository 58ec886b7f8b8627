namespace Microsoft.ML.SharpnessAware;

/// <summary>What a report shows of one model.</summary>
internal sealed record ReportModel(
    string Name, ClassifierCalibrationMetrics Metrics,
    IReadOnlyList<ReportExample> ConfidentlyWrong, IReadOnlyList<ReportExample> HesitantlyRight)
{
    public CalibrationIntervals Intervals { get; } = Metrics.Intervals();

    public PredictionSetMetrics? Sets { get; init; }

    public IReadOnlyList<SetExample> LargestSets { get; init; } = [];

    public AbstentionMetrics? Abstention { get; init; }
}
