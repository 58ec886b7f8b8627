namespace Microsoft.ML.SharpnessAware;

/// <summary>What the two numbers of a <see cref="ReliabilityDiagram"/> are.</summary>
internal enum DiagramKind
{
    /// <summary>The confidence of predictions, and the share of right ones.</summary>
    Predictions,

    /// <summary>The probability of the positive class, and the share of positive rows.</summary>
    Positives,

    /// <summary>The probability of one class of several, and the share of its rows.</summary>
    OneClass,
}
