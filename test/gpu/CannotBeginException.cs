namespace Microsoft.ML.SharpnessAware.Gpu;

/// <summary>Something is missing on this machine; the message says what, and what to do.</summary>
internal sealed class CannotBeginException(string message) : Exception(message);
