using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// (x - mean) / standard deviation for each channel, in the units of the pixels as they are stored (0 to 255 for bytes), so that bytes and floats are
/// treated alike.
/// </summary>
internal sealed class Normalization : IDisposable
{
    private const long ChunkValues = 8 << 20; // 64 MB as float64

    private Tensor _mean;
    private Tensor _inverseDeviation;

    public Normalization(IReadOnlyList<double> mean, IReadOnlyList<double> standardDeviation)
    {
        if (mean.Count == 0 || mean.Count != standardDeviation.Count)
            throw new ArgumentException($"There are {mean.Count} means and {standardDeviation.Count} standard deviations; each channel needs one of each.");
        if (!mean.All(double.IsFinite) || !standardDeviation.All(value => value > 0 && double.IsFinite(value)))
            throw new ArgumentException("Means must be finite and standard deviations finite and positive.");
        Mean = [.. mean];
        StandardDeviation = [.. standardDeviation];
        _mean = PerChannel(Mean);
        _inverseDeviation = PerChannel(StandardDeviation.Select(value => 1 / value));
    }

    public IReadOnlyList<double> Mean { get; }

    public IReadOnlyList<double> StandardDeviation { get; }

    /// <summary>Mean and (population) standard deviation of each channel over all pixels of all images; a channel that never changes gets deviation 1.</summary>
    public static Normalization FromData(ImageDataset data) => FromData(data.Batch, data.Count, data.Shape);

    /// <summary>As for a data set, of pixels [N, C, H, W].</summary>
    public static Normalization FromData(Tensor pixels)
    {
        long[] shape = pixels.shape;
        return FromData((start, count) => pixels.narrow(0, start, count), shape[0], new((int)shape[1], (int)shape[2], (int)shape[3]));
    }

    /// <summary>Normalises a batch [B, C, H, W] of bytes or floats, on the device it is on, to new float32 values.</summary>
    public Tensor Apply(Tensor pixels)
    {
        MoveTo(pixels.device);
        return pixels.sub(_mean).mul_(_inverseDeviation);
    }

    public void Dispose()
    {
        _mean.Dispose();
        _inverseDeviation.Dispose();
    }

    private static Normalization FromData(Func<long, long, Tensor> batch, long count, ImageShape shape)
    {
        long rows = Math.Clamp(ChunkValues / ((long)shape.Channels * shape.Height * shape.Width), 1, count);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();

        // Sums of the differences from the first chunk's mean: one pass, and no cancellation when the mean is large beside the deviation.
        Tensor shift = Double(batch(0, rows)).mean([0, 2, 3], keepdim: true);
        Tensor sum = zeros_like(shift);
        Tensor squares = zeros_like(shift);
        for (long start = 0; start < count; start += rows)
        {
            using var chunkScope = NewDisposeScope();
            Tensor difference = Double(batch(start, Math.Min(rows, count - start))).sub_(shift);
            sum.add_(difference.sum([0, 2, 3], keepdim: true));
            squares.add_(difference.pow_(2).sum([0, 2, 3], keepdim: true));
        }

        double pixels = (double)count * shape.Height * shape.Width;
        Tensor mean = sum / pixels;
        Tensor deviation = (squares / pixels - mean.square()).clamp_min(0).sqrt();
        return new Normalization(
            (mean + shift).data<double>().ToArray(),
            [.. deviation.data<double>().ToArray().Select(value => value > 0 ? value : 1)]);

        static Tensor Double(Tensor chunk) => chunk.to(float64, copy: true);
    }

    private static Tensor PerChannel(IEnumerable<double> values)
    {
        float[] floats = [.. values.Select(value => (float)value)];
        return tensor(floats, [1, floats.Length, 1, 1], device: CPU).DetachFromDisposeScope();
    }

    private void MoveTo(Device device)
    {
        if (_mean.device == device)
            return;
        Move(ref _mean);
        Move(ref _inverseDeviation);

        void Move(ref Tensor tensor)
        {
            Tensor moved = tensor.to(device).DetachFromDisposeScope();
            tensor.Dispose();
            tensor = moved;
        }
    }
}
