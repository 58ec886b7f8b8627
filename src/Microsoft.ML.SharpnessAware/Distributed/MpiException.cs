namespace Microsoft.ML.SharpnessAware;

/// <summary>A function of an MPI library has failed.</summary>
internal sealed class MpiException(string message) : Exception(message);
