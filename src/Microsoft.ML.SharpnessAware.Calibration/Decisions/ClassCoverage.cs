namespace Microsoft.ML.SharpnessAware;

/// <summary>How often prediction sets contain the true class where that is one class.</summary>
/// <param name="ClassName">The class.</param>
/// <param name="Count">How many rows are of it.</param>
/// <param name="Coverage">The share whose set contains it, with its exact 95 % interval; NaN where there is no row.</param>
public sealed record ClassCoverage(string ClassName, long Count, ConfidenceInterval Coverage);
