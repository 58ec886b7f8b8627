namespace Microsoft.ML.SharpnessAware;

/// <summary>What there is to know of a <see cref="PixelType"/>.</summary>
internal static class PixelTypeExtensions
{
    /// <summary>Bytes of a value.</summary>
    public static int Size(this PixelType type) => type == PixelType.Byte ? sizeof(byte) : sizeof(float);
}
