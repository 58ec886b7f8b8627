using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Which tensor of libtorch an object stands for. There may be several objects of one: <c>Embedding.weight</c> and the weights of recurrent
/// layers give a new one each time they are asked.
/// </summary>
internal static class TensorIdentity
{
    /// <summary>Equal for objects of one tensor, and for no others, as long as they are not disposed; zero afterwards.</summary>
    public static IntPtr Of(Tensor tensor) =>
        // A handle points to an at::Tensor, whose only content is a pointer to what all of them share.
        tensor.IsInvalid ? IntPtr.Zero : Marshal.ReadIntPtr(tensor.Handle);

    /// <summary>Where the storage of a tensor of floats begins, on whatever device; views of one vector have the same.</summary>
    public static IntPtr StorageOf(Tensor tensor) =>
        tensor.dtype == ScalarType.Float64 ? tensor.storage<double>().data_ptr() : tensor.storage<float>().data_ptr();
}
