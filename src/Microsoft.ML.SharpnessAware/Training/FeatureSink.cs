using System.Diagnostics;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Sends images through a backbone as they are read, a batch at a time, and keeps their features. The pixels are kept as well for as long
/// as someone may want them; after that a batch is all there is of them.
/// </summary>
internal sealed class FeatureSink : PixelSink
{
    private readonly Backbone _backbone;
    private readonly Tensor _batch;
    private readonly nint _batchStart;
    private readonly int _imageBytes;
    private readonly MemorySink _features;
    private readonly Func<long, bool> _keepsPixels;
    private MemorySink? _pixels;
    private int _waiting;
    private long _count;

    /// <param name="backbone">What the images go through.</param>
    /// <param name="shape">Of all images, which are bytes.</param>
    /// <param name="batchSize">How many go through it at a time.</param>
    /// <param name="expectedRows">How many there will be, where that is known.</param>
    /// <param name="keepsPixels">Whether so many images are few enough to keep their pixels; of more the answer must not be yes
    /// again.</param>
    public FeatureSink(Backbone backbone, ImageShape shape, int batchSize, long? expectedRows, Func<long, bool> keepsPixels)
    {
        _backbone = backbone;
        _keepsPixels = keepsPixels;
        _batch = empty([batchSize, shape.Channels, shape.Height, shape.Width], dtype: ScalarType.Byte, device: CPU)
            .DetachFromDisposeScope();
        _batchStart = TensorPixels.Start(_batch);
        _imageBytes = checked(shape.Channels * shape.Height * shape.Width);
        _features = new MemorySink(ScalarType.Float32, expectedRows);
        if (keepsPixels(expectedRows ?? 1))
            _pixels = new MemorySink(ScalarType.Byte, expectedRows);
    }

    /// <summary>After <see cref="Complete"/>: the pixels of all images, which the caller owns; null where they were not kept.</summary>
    public ImagePixels? Pixels { get; private set; }

    /// <summary>The features of all images, as pixels [N, features, 1, 1].</summary>
    public override ImagePixels Complete()
    {
        RunBatch();
        Pixels = _pixels?.Complete();
        return _features.Complete();
    }

    public override void Dispose()
    {
        _batch.Dispose();
        _features.Dispose();
        _pixels?.Dispose();
    }

    protected override unsafe void Append(ReadOnlySpan<byte> pixels)
    {
        if (pixels.Length != _imageBytes)
            throw new UnreachableException($"An image of {pixels.Length} bytes, where images have {_imageBytes}.");
        if (_pixels is not null)
            Keep(pixels);
        pixels.CopyTo(new Span<byte>((byte*)_batchStart + ((long)_waiting * _imageBytes), _imageBytes));
        if (++_waiting == _batch.shape[0])
            RunBatch();
    }

    /// <remarks>The column has said which channels its images have.</remarks>
    protected override void Repeat(int channels) => throw new UnreachableException();

    private void Keep(ReadOnlySpan<byte> pixels)
    {
        if (_keepsPixels(++_count))
        {
            _pixels!.Add(pixels, Shape);
            return;
        }

        _pixels!.Dispose();
        _pixels = null;
    }

    private void RunBatch()
    {
        if (_waiting == 0)
            return;
        using DisposeScope scope = NewDisposeScope();
        float[] features = _backbone.Features(_batch.narrow(0, 0, _waiting)).cpu().contiguous().data<float>().ToArray();
        int each = features.Length / _waiting;
        var shape = new ImageShape(each, 1, 1);
        for (int row = 0; row < _waiting; row++)
            _features.Add(MemoryMarshal.AsBytes(features.AsSpan(row * each, each)), shape);
        _waiting = 0;
    }
}
