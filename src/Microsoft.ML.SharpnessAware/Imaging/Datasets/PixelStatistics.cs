using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Mean and standard deviation of each channel, in units of the pixels: what a network's input is normalised with, and what weights mean
/// what they meant only with. Numbers alone; <see cref="Normalization"/> applies them.
/// </summary>
internal sealed record PixelStatistics
{
    private const long ChunkValues = 4 << 20;
    private const double Tolerance = 1 + 1e-6;

    // Of statistics of values up to 255; those of values up to 10 do not come so far.
    private const double LeastOfBytes = 16;

    /// <param name="mean">Mean of each channel.</param>
    /// <param name="standardDeviation">Standard deviation of each channel.</param>
    /// <param name="pixelType">The pixels' type, where it is known.</param>
    /// <exception cref="ArgumentException">There are none, not as many means as deviations, or they cannot normalise.</exception>
    public PixelStatistics(IReadOnlyList<double> mean, IReadOnlyList<double> standardDeviation, ScalarType? pixelType = null)
    {
        if (mean.Count == 0 || mean.Count != standardDeviation.Count)
        {
            throw new ArgumentException(
                $"Each channel needs a mean and a deviation, not {mean.Count} and {standardDeviation.Count}.", nameof(mean));
        }

        if (!mean.All(double.IsFinite))
            throw new ArgumentException("Means must be finite numbers.", nameof(mean));
        if (!standardDeviation.All(value => value > 0 && double.IsFinite(value)))
            throw new ArgumentException("Standard deviations must be finite and positive.", nameof(standardDeviation));
        Mean = [.. mean];
        StandardDeviation = [.. standardDeviation];
        PixelType = pixelType;
    }

    public IReadOnlyList<double> Mean { get; }

    public IReadOnlyList<double> StandardDeviation { get; }

    /// <summary>Byte, pixels from 0 to 255, or Float32, whatever the data had; null where it is not known.</summary>
    public ScalarType? PixelType { get; }

    /// <summary>
    /// Mean and (population) standard deviation of each channel over all pixels of all images; a channel that never changes gets deviation
    /// 1.
    /// </summary>
    public static PixelStatistics FromData(ImageDataset data)
    {
        var channels = new ChannelMoments[data.Shape.Channels];
        if (data.SharedBy is not { } group)
            return FromData(data.Batch, data.Count, data.Shape, data.PixelType, channels);

        using (Tensor first = data.First().to(float64))
        {
            for (int i = 0; i < channels.Length; i++)
            {
                using Tensor value = first[0, i, 0, 0];
                channels[i] = new(value.item<double>());
            }
        }
        using ImageDataset here = data.Here();
        Add(here.Batch, here.Count, here.Shape, here.PixelType, channels);
        ChannelMoments.Sum(channels, group);
        return Of(channels, data.PixelType);
    }

    /// <summary>As for a data set, of pixels [N, C, H, W].</summary>
    public static PixelStatistics FromData(Tensor pixels)
    {
        long[] shape = pixels.shape;
        return FromData((start, count) => pixels.narrow(0, start, count), shape[0], new((int)shape[1], (int)shape[2], (int)shape[3]),
            pixels.dtype, new ChannelMoments[shape[1]]);
    }

    /// <summary>
    /// The value that is white in these units: 255 for bytes; for floats 1, or 255 where means are above 1, if values from 0 to it can have
    /// such means and deviations; null where they cannot, or where they are far below it, and nothing says it.
    /// </summary>
    /// <remarks>No values from 0 to w have a variance above mean · (w − mean) (Bhatia and Davis 2000).</remarks>
    public double? White
    {
        get
        {
            if (PixelType == ScalarType.Byte)
                return byte.MaxValue;
            // Deviation 1 is also that of a channel that never changes, which tells nothing beside others.
            (double Mean, double Deviation)[] all = [.. Mean.Zip(StandardDeviation)];
            (double Mean, double Deviation)[] changing = [.. all.Where(channel => channel.Deviation != 1)];
            if (changing.Length == 0)
                changing = all;
            double white = changing.Min(channel => channel.Mean) > 1 ? byte.MaxValue : 1;
            bool lie = changing.All(channel =>
                    channel.Deviation * channel.Deviation <= channel.Mean * (white - channel.Mean) * Tolerance)
                && all.All(channel => channel.Mean >= 0 && channel.Mean <= white * Tolerance);
            return lie && (white == 1 || all.Any(channel => channel.Mean + channel.Deviation >= LeastOfBytes)) ? white : null;
        }
    }

    /// <summary>The same for another number of channels: of grey images, in the place of colours, the means over the channels, and of
    /// colours in the place of grey what grey has; null where nothing tells them.</summary>
    public PixelStatistics? ForChannels(int channels) => (Mean.Count, channels) switch
    {
        _ when channels == Mean.Count => this,
        (3, 1) => new([Mean.Average()], [StandardDeviation.Average()], PixelType),
        (1, 3) => new([Mean[0], Mean[0], Mean[0]], [StandardDeviation[0], StandardDeviation[0], StandardDeviation[0]], PixelType),
        _ => null,
    };

    /// <summary>The same for pixels that are so many times as large.</summary>
    public PixelStatistics Scaled(double factor, ScalarType? pixelType) =>
        new([.. Mean.Select(value => value * factor)], [.. StandardDeviation.Select(value => value * factor)], pixelType);

    public override string ToString() => $"mean ({Join(Mean)}), standard deviation ({Join(StandardDeviation)})";

    /// <summary>Equal numbers, not the same lists.</summary>
    public bool Equals(PixelStatistics? other) =>
        other is not null && PixelType == other.PixelType && Mean.SequenceEqual(other.Mean)
        && StandardDeviation.SequenceEqual(other.StandardDeviation);

    public override int GetHashCode() => HashCode.Combine(PixelType, Mean.Count, Mean[0], StandardDeviation[0]);

    private static string Join(IReadOnlyList<double> values) =>
        string.Join(", ", values.Select(value => value.ToString("0.####", CultureInfo.InvariantCulture)));

    private static PixelStatistics FromData(
        Func<long, long, Tensor> batch, long count, ImageShape shape, ScalarType pixelType, ChannelMoments[] channels)
    {
        Add(batch, count, shape, pixelType, channels);
        return Of(channels, pixelType);
    }

    private static PixelStatistics Of(ChannelMoments[] channels, ScalarType pixelType) =>
        new([.. channels.Select(channel => channel.Mean)], [.. channels.Select(channel => channel.Deviation)], pixelType);

    private static void Add(
        Func<long, long, Tensor> batch, long count, ImageShape shape, ScalarType pixelType, ChannelMoments[] channels)
    {
        int area = shape.Height * shape.Width;
        long rows = Math.Max(1, ChunkValues / ((long)shape.Channels * area));
        for (long start = 0; start < count; start += rows)
        {
            using Tensor chunk = batch(start, Math.Min(rows, count - start));
            if (pixelType == ScalarType.Byte)
                Add<byte>(chunk.bytes, area, channels);
            else
                Add<float>(MemoryMarshal.Cast<byte, float>(chunk.bytes), area, channels);
        }
    }

    private static void Add<T>(ReadOnlySpan<T> pixels, int area, Span<ChannelMoments> channels)
        where T : unmanaged, INumber<T>
    {
        for (int plane = 0; plane * area < pixels.Length; plane++)
            channels[plane % channels.Length].Add(pixels.Slice(plane * area, area));
    }
}
