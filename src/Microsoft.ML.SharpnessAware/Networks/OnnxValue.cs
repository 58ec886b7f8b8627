namespace Microsoft.ML.SharpnessAware;

/// <summary>A value of a graph that is being described: what an operator gives, or a constant.</summary>
/// <param name="Name">Its name in the graph.</param>
public readonly record struct OnnxValue(string Name);
