namespace Microsoft.ML.SharpnessAware;

/// <summary>A threshold of confidence, and what it did on the rows that it was chosen on.</summary>
/// <param name="Threshold">Accepted is what is above it; infinite where nothing can be promised.</param>
/// <param name="Accepted">How many rows were accepted.</param>
/// <param name="Right">How many of these were right.</param>
/// <param name="BestAccuracy">The highest accuracy that could be promised with the confidence asked.</param>
/// <param name="BestAccepted">Of how many rows.</param>
internal readonly record struct AbstentionChoice(double Threshold, long Accepted, long Right, double BestAccuracy, long BestAccepted);
