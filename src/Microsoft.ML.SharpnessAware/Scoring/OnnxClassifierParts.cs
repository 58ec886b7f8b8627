namespace Microsoft.ML.SharpnessAware;

/// <summary>Where in the graph of a classifier what lies.</summary>
/// <param name="Pixels">The network's images, float32 [rows, channels, height, width].</param>
/// <param name="First">The first operator of the network.</param>
/// <param name="End">The operator behind its last.</param>
/// <param name="Logits">Its logits.</param>
/// <param name="Score">The probabilities behind temperature and calibrators, float32.</param>
internal sealed record OnnxClassifierParts(string Pixels, int First, int End, string Logits, string Score);
