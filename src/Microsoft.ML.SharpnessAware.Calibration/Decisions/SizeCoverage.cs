namespace Microsoft.ML.SharpnessAware;

/// <summary>How often prediction sets of one size contain the true class.</summary>
/// <param name="Size">The number of classes in the set.</param>
/// <param name="Count">How many rows have such a set.</param>
/// <param name="Coverage">The share whose set contains the true class, with its exact 95 % interval.</param>
public sealed record SizeCoverage(int Size, long Count, ConfidenceInterval Coverage);
