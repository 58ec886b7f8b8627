using System.Numerics;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// (x - mean) / standard deviation for each channel, in the units of the pixels as they are stored (0 to 255 for bytes), so that bytes and
/// floats are treated alike.
/// </summary>
internal sealed class Normalization : IDisposable
{
    private const long ChunkValues = 4 << 20;

    private readonly Tensor _mean;
    private readonly Tensor _inverseDeviation;

    public Normalization(IReadOnlyList<double> mean, IReadOnlyList<double> standardDeviation, Device? device = null)
    {
        if (mean.Count == 0 || mean.Count != standardDeviation.Count)
            throw new ArgumentException($"Each channel needs a mean and a deviation, not {mean.Count} and {standardDeviation.Count}.");
        if (!mean.All(double.IsFinite) || !standardDeviation.All(value => value > 0 && double.IsFinite(value)))
            throw new ArgumentException("Means must be finite and standard deviations finite and positive.");
        Mean = [.. mean];
        StandardDeviation = [.. standardDeviation];
        _mean = PerChannel(Mean, device ?? CPU);
        _inverseDeviation = PerChannel(StandardDeviation.Select(value => 1 / value), device ?? CPU);
    }

    public IReadOnlyList<double> Mean { get; }

    public IReadOnlyList<double> StandardDeviation { get; }

    /// <summary>
    /// Mean and (population) standard deviation of each channel over all pixels of all images; a channel that never changes gets deviation
    /// 1.
    /// </summary>
    public static Normalization FromData(ImageDataset data) => FromData(data.Batch, data.Count, data.Shape);

    /// <summary>As for a data set, of pixels [N, C, H, W].</summary>
    public static Normalization FromData(Tensor pixels)
    {
        long[] shape = pixels.shape;
        return FromData((start, count) => pixels.narrow(0, start, count), shape[0], new((int)shape[1], (int)shape[2], (int)shape[3]));
    }

    /// <summary>The same normalisation for batches on another device.</summary>
    public Normalization On(Device device) => new(Mean, StandardDeviation, device);

    /// <summary>Normalises a batch [B, C, H, W] of bytes or floats, on this normalisation's device, to new float32 values. May run on several threads.</summary>
    public Tensor Apply(Tensor pixels) => pixels.sub(_mean).mul_(_inverseDeviation);

    public void Dispose()
    {
        _mean.Dispose();
        _inverseDeviation.Dispose();
    }

    private static Normalization FromData(Func<long, long, Tensor> batch, long count, ImageShape shape)
    {
        var channels = new ChannelMoments[shape.Channels];
        int area = shape.Height * shape.Width;
        long rows = Math.Max(1, ChunkValues / ((long)shape.Channels * area));
        for (long start = 0; start < count; start += rows)
        {
            using Tensor chunk = batch(start, Math.Min(rows, count - start));
            if (chunk.dtype == ScalarType.Byte)
                Add<byte>(chunk.bytes, area, channels);
            else
                Add<float>(MemoryMarshal.Cast<byte, float>(chunk.bytes), area, channels);
        }

        return new Normalization([.. channels.Select(channel => channel.Mean)], [.. channels.Select(channel => channel.Deviation)]);
    }

    private static void Add<T>(ReadOnlySpan<T> pixels, int area, Span<ChannelMoments> channels)
        where T : unmanaged, INumber<T>
    {
        for (int plane = 0; plane * area < pixels.Length; plane++)
            channels[plane % channels.Length].Add(pixels.Slice(plane * area, area));
    }

    private static Tensor PerChannel(IEnumerable<double> values, Device device)
    {
        float[] floats = [.. values.Select(value => (float)value)];
        return tensor(floats, [1, floats.Length, 1, 1], device: device).DetachFromDisposeScope();
    }
}
