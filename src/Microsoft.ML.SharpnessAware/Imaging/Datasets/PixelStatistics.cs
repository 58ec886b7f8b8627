using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The normalisation that weights were trained with. They mean what they meant only on pixels normalised like that.</summary>
/// <param name="PixelType">Byte, pixels from 0 to 255, or Float32, whatever the data had.</param>
/// <param name="Mean">Mean of each channel, in units of the pixels.</param>
/// <param name="StandardDeviation">Standard deviation of each channel, in units of the pixels.</param>
internal sealed record PixelStatistics(ScalarType PixelType, IReadOnlyList<double> Mean, IReadOnlyList<double> StandardDeviation)
{
    /// <summary>The normalisation, where it can be applied to these images: of as many channels, in the same units; else null.</summary>
    public Normalization? For(ScalarType pixelType, ImageShape shape) =>
        pixelType == PixelType && shape.Channels == Mean.Count ? new Normalization(Mean, StandardDeviation) : null;
}
