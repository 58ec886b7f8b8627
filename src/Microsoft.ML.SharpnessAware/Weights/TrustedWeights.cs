namespace Microsoft.ML.SharpnessAware;

/// <summary>A file of weights that was trusted when it was first downloaded.</summary>
/// <param name="Path">Where it lies in the cache.</param>
/// <param name="Sha256">Its SHA-256 checksum, 64 hexadecimal digits: give it to <see cref="WeightsDownload.GetAsync"/> from now
/// on.</param>
/// <param name="IsFirstUse">Whether it was downloaded, and trusted, just now. Otherwise it is the file that was trusted then.</param>
public sealed record TrustedWeights(string Path, string Sha256, bool IsFirstUse);
