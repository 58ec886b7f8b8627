namespace Microsoft.ML.SharpnessAware;

/// <summary>The decisions of a file, as transformers of its scores.</summary>
internal static class OnnxDecisions
{
    /// <param name="metadata">What the file says.</param>
    /// <param name="scoreColumnName">The name of the scores here.</param>
    public static IReadOnlyList<ITransformer> Of(OnnxMetadata metadata, string scoreColumnName) =>
        [.. metadata.Decisions.Select(decision => (ITransformer)(decision is PredictionSetTransformer sets ? sets.Of(scoreColumnName)
            : ((AbstentionTransformer)decision).Of(scoreColumnName)))];
}
