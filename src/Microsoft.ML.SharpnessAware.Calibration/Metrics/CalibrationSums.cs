namespace Microsoft.ML.SharpnessAware;

/// <summary>What is kept of some rows: all that are measured, or those of one group.</summary>
internal sealed class CalibrationSums(int numberOfClasses, ConfidenceBins bins, int topKPredictionCount)
{
    private readonly OutcomeBins _outcomes = new(bins);
    private readonly ClassBins _classes = new(numberOfClasses, bins);
    private readonly TopKBins? _topK = topKPredictionCount > 0 ? new TopKBins(topKPredictionCount, numberOfClasses, bins) : null;
    private readonly MeasuredOutcomes _measured = new();

    public long Count => _measured.Count;

    /// <summary>How much memory bins take, counted in a class's bins, of 24 bytes: a bin of outcomes takes nine times as much.</summary>
    public static long Cells(int numberOfClasses, int numberOfBins, int topKPredictionCount) =>
        numberOfBins * (numberOfClasses + 9L * (1 + topKPredictionCount));

    /// <param name="scores">The probabilities.</param>
    /// <param name="label">The true class.</param>
    /// <param name="correct">Whether it is the most probable one.</param>
    /// <param name="confidence">The largest probability.</param>
    /// <param name="logLoss">−ln of the true class's probability.</param>
    /// <param name="brierScore">The Brier score.</param>
    /// <param name="entropy">The entropy.</param>
    /// <param name="cluster">What the row belongs to; negative where that is not asked.</param>
    public void Add(ReadOnlySpan<float> scores, int label, bool correct, float confidence, double logLoss, double brierScore,
        double entropy, int cluster)
    {
        _outcomes.Add(confidence, correct, OutcomeCell.Row(confidence, logLoss, brierScore, entropy));
        _classes.Add(scores, label);
        _measured.Add(label, confidence, correct, logLoss, brierScore, entropy, cluster);
        _topK?.Add(scores, label);
    }

    /// <param name="classNames">What the classes are called.</param>
    /// <param name="leftOut">The rows that belong to these and were not measured.</param>
    public MulticlassCalibrationMetrics GetMetrics(IReadOnlyList<string>? classNames, LeftOutRows leftOut)
    {
        _measured.ClassNames = classNames;
        _measured.LeftOut = leftOut;
        return new(_outcomes, _measured.Ranking(), bins.Count, leftOut.Count, _classes, _measured)
        {
            TopK = _topK?.GetMetrics() ?? [],
        };
    }
}
