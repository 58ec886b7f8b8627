using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// (x - mean) / standard deviation for each channel, in the units of the pixels as they are stored (0 to 255 for bytes), so that bytes and
/// floats are treated alike: the statistics as tensors on a device.
/// </summary>
internal sealed class Normalization(PixelStatistics statistics, Device device) : IDisposable
{
    private readonly Tensor _mean = PerChannel(statistics.Mean, device);
    private readonly Tensor _inverseDeviation = PerChannel(statistics.StandardDeviation.Select(value => 1 / value), device);

    public PixelStatistics Statistics { get; } = statistics;

    /// <summary>Normalises a batch [B, C, H, W] of bytes or floats, on this normalisation's device, to new float32 values. May run on
    /// several threads.</summary>
    public Tensor Apply(Tensor pixels) => pixels.sub(_mean).mul_(_inverseDeviation);

    public void Dispose()
    {
        _mean.Dispose();
        _inverseDeviation.Dispose();
    }

    private static Tensor PerChannel(IEnumerable<double> values, Device device)
    {
        float[] floats = [.. values.Select(value => (float)value)];
        return tensor(floats, [1, floats.Length, 1, 1], device: device).DetachFromDisposeScope();
    }
}
