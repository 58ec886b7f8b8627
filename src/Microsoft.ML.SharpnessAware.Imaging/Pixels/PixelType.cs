namespace Microsoft.ML.SharpnessAware;

/// <summary>The type of a pixel's values in memory. Its names are part of the content of caches.</summary>
internal enum PixelType
{
    /// <summary>0 to 255.</summary>
    Byte,

    /// <summary>Any scale; float32.</summary>
    Float32,
}
