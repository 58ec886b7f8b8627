namespace Microsoft.ML.SharpnessAware;

/// <summary>When to stop before the last epoch: once the validation metric has not improved for a while.</summary>
/// <remarks>
/// The weights of the best epoch are restored: the one with the highest accuracy, or the lowest log loss or refinement, by however
/// little, and the earliest of equal ones. <paramref name="MinDelta"/> has no say in that; it decides when to stop. Needs validation
/// images.
/// </remarks>
/// <param name="Patience">How many epochs without improvement end the training. At least 1.</param>
/// <param name="MinDelta">An improvement is a change by more than this from the last improvement, in the metric's unit. At least 0.</param>
/// <param name="Metric">What is watched.</param>
public sealed record EarlyStopping(
    int Patience = 10, double MinDelta = 0.001, EarlyStoppingMetric Metric = EarlyStoppingMetric.Accuracy)
{
    /// <inheritdoc cref="EarlyStopping"/>
    public int Patience { get; init; } = Patience >= 1
        ? Patience : throw new ArgumentOutOfRangeException(nameof(Patience), Patience, "Patience must be at least 1.");

    /// <inheritdoc cref="EarlyStopping"/>
    public double MinDelta { get; init; } = MinDelta >= 0 && double.IsFinite(MinDelta)
        ? MinDelta : throw new ArgumentOutOfRangeException(nameof(MinDelta), MinDelta, "MinDelta must be at least 0.");

    /// <summary>Whether the latest epoch is the last one: there was no improvement for <see cref="Patience"/> epochs.</summary>
    internal bool IsDue(IReadOnlyList<EpochMetrics> history)
    {
        int improved = 0;
        for (int i = 1; i < history.Count; i++)
        {
            if (BestEpoch.Value(history[i], Metric) > BestEpoch.Value(history[improved], Metric) + MinDelta)
                improved = i;
        }

        return history.Count - 1 - improved >= Patience;
    }
}
