namespace Microsoft.ML.SharpnessAware;

/// <summary>Mean confidence minus accuracy where rows belong together, with the interval of <see cref="ClusterMeans"/>: one cluster more is
/// counted, all right or all wrong, which few clusters may not have shown.</summary>
internal sealed class ClusterGapMean
{
    private const int Resamples = 1000;
    private const int Stream = 7;

    private readonly ConfidenceInterval _gap;

    public ClusterGapMean(MeasuredOutcomes measured, List<int> clusters)
    {
        MeasuredOutcomes gaps = new();       // each carried as the log loss of its row
        CompensatedSum confidences = default;
        for (int row = 0; row < measured.Count; row++)
        {
            (float confidence, bool correct, _, _) = measured.Row(row);
            confidences.Add(confidence);
            gaps.Add(label: 0, confidence, correct, logLoss: confidence - (correct ? 1 : 0), brierScore: 0, cluster: clusters[row]);
        }

        var units = new ClusterUnits(clusters, numberOfBins: 1);
        NumberOfClusters = units.NumberOfClusters;
        double mean = confidences.Value / measured.Count;
        var means = new ClusterMeans(units, gaps, OutcomeCell.Row(mean, logLoss: mean - 1), OutcomeCell.Row(mean, logLoss: mean), Resamples,
            new BootstrapRandom(seed: 0, Stream));
        for (int resample = 0; resample < Resamples; resample++)
            means.Draw();
        _gap = means.GetInterval(RowNumber.LogLoss, confidenceLevel: 0.95);
    }

    public int NumberOfClusters { get; }

    /// <summary>Whether 0 is in the interval, which reaches further to the side where one cluster more would change most.</summary>
    public bool MayBeZero => _gap.Lower <= 0 && _gap.Upper >= 0;

    /// <summary>Half of the interval, and as much as it takes to reach 0 where 0 is in it.</summary>
    public double HalfWidth() => Math.Max((_gap.Upper - _gap.Lower) / 2, _gap.Estimate > 0 ? _gap.Estimate - _gap.Lower
        : _gap.Upper - _gap.Estimate);
}
