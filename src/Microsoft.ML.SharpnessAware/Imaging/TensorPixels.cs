using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Pixels in memory, as one tensor, which this takes over.</summary>
internal sealed class TensorPixels(Tensor pixels) : ImagePixels
{
    private readonly Tensor _pixels = pixels.DetachFromDisposeScope();

    public override ScalarType Type => _pixels.dtype;

    public override ImageShape Shape { get; } = new((int)pixels.shape[1], (int)pixels.shape[2], (int)pixels.shape[3]);

    /// <summary>The address of the first value of a contiguous CPU tensor that has rows.</summary>
    /// <remarks>TorchSharp gives a tensor's memory as a span, which is at most 2 GB long; that of the first row is enough.</remarks>
    public static unsafe nint Start(Tensor tensor)
    {
        using Tensor first = tensor.narrow(0, 0, 1);
        return (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(first.bytes));
    }

    public override Tensor Batch(Tensor index) => _pixels.index_select(0, index);

    public override Tensor Batch(long start, long count) => _pixels.narrow(0, start, count);

    public override ImagePixels Share() => new TensorPixels(_pixels.alias());

    public override void Dispose() => _pixels.Dispose();
}
