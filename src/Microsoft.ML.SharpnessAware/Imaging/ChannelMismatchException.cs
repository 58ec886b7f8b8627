namespace Microsoft.ML.SharpnessAware;

/// <summary>An image is good but has other channels than the first one: a matter of settings, so no reason to skip it.</summary>
internal sealed class ChannelMismatchException(string message) : Exception(message);
