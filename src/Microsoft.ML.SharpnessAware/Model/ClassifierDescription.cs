namespace Microsoft.ML.SharpnessAware;

/// <summary>What a transformer knows beside its network.</summary>
internal sealed record ClassifierDescription
{
    public required string FeatureColumnName { get; init; }

    public required string ScoreColumnName { get; init; }

    public required string PredictedLabelColumnName { get; init; }

    /// <summary>The label's key values; <see langword="null"/> where the training label had none.</summary>
    public required LabelValues? LabelValues { get; init; }

    public required SharpnessAwareMethod Method { get; init; }

    public required double Temperature { get; init; }

    public required IReadOnlyList<EpochMetrics> History { get; init; }
}
