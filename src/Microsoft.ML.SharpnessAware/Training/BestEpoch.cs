namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Which epoch's weights are the best: those that early stopping restores, and those that a checkpoint gives as its best model.
/// </summary>
internal static class BestEpoch
{
    /// <summary>
    /// The epoch with the highest accuracy, the lowest log loss or the lowest refinement, the earliest of equal ones; without validation
    /// images the latest.
    /// </summary>
    public static EpochMetrics Of(IReadOnlyList<EpochMetrics> history, EarlyStoppingMetric metric) =>
        history.Aggregate((best, next) => Value(next, metric) <= Value(best, metric) ? best : next);     // NaN is not ≤: the latest

    /// <summary>Whether that is the latest epoch.</summary>
    public static bool IsLatest(IReadOnlyList<EpochMetrics> history, EarlyStoppingMetric metric) =>
        Of(history, metric).Epoch == history[^1].Epoch;

    /// <summary>The metric such that more is better.</summary>
    public static double Value(EpochMetrics epoch, EarlyStoppingMetric metric) => metric switch
    {
        EarlyStoppingMetric.Accuracy => epoch.ValidationAccuracy,
        EarlyStoppingMetric.Refinement => -epoch.ValidationRefinement,
        _ => -epoch.ValidationLogLoss,
    };
}
