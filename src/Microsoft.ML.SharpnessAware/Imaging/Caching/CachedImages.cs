namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What the cache has of a data set: the pixels, and the rows, counted from 0, that are left out because their image is bad.
/// </summary>
internal sealed record CachedImages(ImagePixels Pixels, long[] BadRows);
