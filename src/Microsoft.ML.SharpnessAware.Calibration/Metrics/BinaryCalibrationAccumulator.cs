namespace Microsoft.ML.SharpnessAware;

/// <summary>Everything that the metrics of a binary model need, gathered in one pass over the rows; sixteen bytes a row, and as many
/// again where they are in groups.</summary>
internal sealed class BinaryCalibrationAccumulator(int numberOfBins)
{
    private readonly OutcomeBins _bins = new(new ConfidenceBins(numberOfBins));
    private readonly MeasuredOutcomes _measured = new();
    private readonly Dictionary<int, BinaryCalibrationAccumulator> _ofGroup = [];

    public int Count => _measured.Count;

    /// <param name="probability">Of the positive class, in [0, 1].</param>
    /// <param name="isPositive">What happened.</param>
    /// <param name="group">What it is measured with by itself, too; negative where that is not asked.</param>
    /// <param name="cluster">What the row belongs to; negative where that is not asked.</param>
    public void Add(float probability, bool isPositive, int group = -1, int cluster = -1)
    {
        double p = probability, ofWhatHappened = isPositive ? p : 1 - p, gap = p - (isPositive ? 1 : 0);
        double entropy = p is > 0 and < 1 ? -p * Math.Log(p) - (1 - p) * Math.Log(1 - p) : 0;
        double logLoss = -Math.Log(Math.Max(ofWhatHappened, CalibrationAccumulator.SmallestProbability));
        _bins.Add(probability, isPositive, OutcomeCell.Row(p, logLoss, gap * gap, entropy));
        _measured.Add(isPositive ? 1 : 0, probability, isPositive, logLoss, gap * gap, entropy, cluster);
        if (group < 0)
            return;
        if (!_ofGroup.TryGetValue(group, out BinaryCalibrationAccumulator? ofGroup))
            _ofGroup.Add(group, ofGroup = new BinaryCalibrationAccumulator(numberOfBins));
        ofGroup.Add(probability, isPositive, cluster: cluster);
    }

    /// <summary>The metrics of all rows.</summary>
    /// <param name="leftOut">The rows that were left out.</param>
    /// <param name="groups">The groups in the order in which to show them; those without a measured row are not shown.</param>
    public BinaryCalibrationMetrics GetMetrics(LeftOutRows leftOut = default,
        IEnumerable<(int Number, string Name, LeftOutRows LeftOut)>? groups = null)
    {
        _measured.LeftOut = leftOut;
        return new(_bins, _measured.Ranking(), numberOfBins, leftOut.Count, _measured)
        {
            PerGroup =
            [
                .. (groups ?? []).Where(group => _ofGroup.ContainsKey(group.Number))
                    .Select(group => new BinaryGroupCalibration(group.Name, _ofGroup[group.Number].GetMetrics(group.LeftOut))),
            ],
        };
    }
}
