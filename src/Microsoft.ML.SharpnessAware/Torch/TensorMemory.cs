using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Where a tensor's values lie.</summary>
internal static class TensorMemory
{
    /// <summary>The address of the first value of a contiguous CPU tensor that has rows.</summary>
    /// <remarks>TorchSharp gives a tensor's memory as a span, which is at most 2 GB long; that of the first row is enough.</remarks>
    public static unsafe nint Start(Tensor tensor)
    {
        using Tensor first = tensor.narrow(0, 0, 1);
        return (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(first.bytes));
    }
}
