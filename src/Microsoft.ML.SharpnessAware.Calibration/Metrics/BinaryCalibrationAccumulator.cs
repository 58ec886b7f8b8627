namespace Microsoft.ML.SharpnessAware;

/// <summary>Everything that the metrics of a binary model need, gathered in one pass over the rows; sixteen bytes a row.</summary>
internal sealed class BinaryCalibrationAccumulator(int numberOfBins)
{
    private readonly OutcomeBins _bins = new(new ConfidenceBins(numberOfBins));
    private readonly MeasuredOutcomes _measured = new();

    public int Count => _measured.Count;

    /// <param name="probability">Of the positive class, in [0, 1].</param>
    /// <param name="isPositive">What happened.</param>
    /// <param name="cluster">What the row belongs to; negative where that is not asked.</param>
    public void Add(float probability, bool isPositive, int cluster = -1)
    {
        double p = probability, ofWhatHappened = isPositive ? p : 1 - p, gap = p - (isPositive ? 1 : 0);
        double entropy = p is > 0 and < 1 ? -p * Math.Log(p) - (1 - p) * Math.Log(1 - p) : 0;
        double logLoss = -Math.Log(Math.Max(ofWhatHappened, CalibrationAccumulator.SmallestProbability));
        _bins.Add(probability, isPositive, OutcomeCell.Row(p, logLoss, gap * gap, entropy));
        _measured.Add(isPositive ? 1 : 0, probability, isPositive, logLoss, gap * gap, entropy, cluster);
    }

    public BinaryCalibrationMetrics GetMetrics(long skippedRows = 0) =>
        new(_bins, _measured.Ranking(), numberOfBins, skippedRows, _measured);
}
