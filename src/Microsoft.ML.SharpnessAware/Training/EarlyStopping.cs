namespace Microsoft.ML.SharpnessAware;

/// <summary>When to stop before the last epoch: once the validation metric has not improved for a while.</summary>
/// <remarks>The weights of the best epoch are restored. Needs validation images.</remarks>
/// <param name="Patience">How many epochs without improvement end the training. At least 1.</param>
/// <param name="MinDelta">The smallest change that counts as an improvement, in the metric's unit. At least 0.</param>
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
}
