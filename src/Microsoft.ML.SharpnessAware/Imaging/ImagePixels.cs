using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The pixels of many images, [N, C, H, W] of uint8 or float32, wherever they lie. Batches come as tensors on the CPU.</summary>
internal abstract class ImagePixels : IDisposable
{
    /// <summary>Byte or Float32.</summary>
    public abstract ScalarType Type { get; }

    public abstract ImageShape Shape { get; }

    /// <summary>The images of the rows in <paramref name="index"/> (int64 [B], on the CPU), copied: [B, C, H, W].</summary>
    public abstract Tensor Batch(Tensor index);

    /// <summary>
    /// The images of <paramref name="count"/> rows from <paramref name="start"/> on. Not to be written to: it may be a view.
    /// </summary>
    public abstract Tensor Batch(long start, long count);

    /// <summary>One more owner of the same pixels, which live until the last one is disposed.</summary>
    public abstract ImagePixels Share();

    public abstract void Dispose();
}
