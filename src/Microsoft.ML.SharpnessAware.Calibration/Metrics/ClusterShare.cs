namespace Microsoft.ML.SharpnessAware;

/// <summary>How often something happens among rows that belong together, with the 95 % interval of <see cref="ClusterMeans"/>.</summary>
internal sealed class ClusterShare
{
    private const int Resamples = 1000;
    private const int Stream = 6;

    private readonly MeasuredOutcomes _rows = new();

    public int NumberOfClusters => _rows.Clusters?.Distinct().Count() ?? 0;

    public void Add(int cluster, bool happened) =>
        _rows.Add(label: 0, confidence: 1, happened, logLoss: 0, brierScore: 0, cluster: cluster);

    /// <summary>The whole of [0, 1] where there are no rows.</summary>
    public ConfidenceInterval Interval()
    {
        if (_rows.Clusters is null)
            return BinomialTail.Interval(0, 0);
        var means = new ClusterMeans(new ClusterUnits(_rows.Clusters, numberOfBins: 1), _rows, default, default, Resamples,
            new BootstrapRandom(seed: 0, Stream));
        for (int resample = 0; resample < Resamples; resample++)
            means.Draw();
        return means.GetInterval(ClusterMeans.Accuracy, confidenceLevel: 0.95);
    }
}
