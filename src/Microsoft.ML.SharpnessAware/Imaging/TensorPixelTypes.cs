using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Types of pixels as torch names them.</summary>
internal static class TensorPixelTypes
{
    public static ScalarType ToScalarType(this PixelType type) => type == PixelType.Byte ? ScalarType.Byte : ScalarType.Float32;

    public static PixelType ToPixelType(this ScalarType type) => type == ScalarType.Byte ? PixelType.Byte : PixelType.Float32;
}
