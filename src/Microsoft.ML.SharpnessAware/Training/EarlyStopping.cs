namespace Microsoft.ML.SharpnessAware;

/// <summary>When to stop before the last epoch: once the validation metric has not improved for a while.</summary>
/// <remarks>
/// The weights of the best epoch are restored: the one with the highest accuracy, or the lowest log loss or refinement, by however
/// little, and the earliest of equal ones. <paramref name="MinDelta"/> has no say in that; it decides when to stop. Epochs before the
/// late phase of a method, before a uniform average of weights begins, or with a backbone that is still frozen are not counted towards
/// <paramref name="Patience"/>: what the training is for is still to come. The best epoch may be one of them all the same. Needs
/// validation images.
/// </remarks>
/// <param name="Patience">How many epochs without improvement end the training. At least 1.</param>
/// <param name="MinDelta">An improvement is a change by more than this from the last improvement, in the metric's unit. At least 0.</param>
/// <param name="Metric">What is watched.</param>
public sealed record EarlyStopping(
    int Patience = 10, double MinDelta = 0.001, EarlyStoppingMetric Metric = EarlyStoppingMetric.Accuracy)
{
    /// <inheritdoc cref="EarlyStopping"/>
    /// <exception cref="ArgumentOutOfRangeException">The value is below 1.</exception>
    public int Patience { get; init => field = Checked(value); } = Checked(Patience);

    /// <inheritdoc cref="EarlyStopping"/>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative or not finite.</exception>
    public double MinDelta { get; init => field = Require.NonNegative(value, nameof(MinDelta)); } =
        Require.NonNegative(MinDelta, nameof(MinDelta));

    /// <inheritdoc cref="EarlyStopping"/>
    /// <exception cref="ArgumentOutOfRangeException">There is no such metric.</exception>
    public EarlyStoppingMetric Metric { get; init => field = Checked(value); } = Checked(Metric);

    /// <summary>Whether the latest epoch is the last one: there was no improvement for <see cref="Patience"/> epochs.</summary>
    /// <param name="history">All epochs.</param>
    /// <param name="firstToCount">The first epoch that counts towards them.</param>
    internal bool IsDue(IReadOnlyList<EpochMetrics> history, int firstToCount = 1)
    {
        int improved = 0;
        for (int i = 1; i < history.Count; i++)
        {
            if (BestEpoch.Value(history[i], Metric) > BestEpoch.Value(history[improved], Metric) + MinDelta)
                improved = i;
        }

        return history.Count - Math.Max(improved + 1, firstToCount - 1) >= Patience;
    }

    private static int Checked(int patience) => patience >= 1
        ? patience : throw new ArgumentOutOfRangeException(nameof(Patience), patience, "Patience must be at least 1.");

    private static EarlyStoppingMetric Checked(EarlyStoppingMetric metric) => Enum.IsDefined(metric)
        ? metric : throw new ArgumentOutOfRangeException(nameof(Metric), metric, "Metric must be Accuracy, Loss or Refinement.");
}
