using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Which parameters and buffers belong to an optimiser. A second one would make them views of its own vectors, and the first would go on
/// with vectors that no network reads.
/// </summary>
internal static class OwnedTensors
{
    private static readonly ConditionalWeakTable<Tensor, object> Owners = [];

    /// <summary>Takes all of them, or none.</summary>
    /// <exception cref="InvalidOperationException">One belongs to another owner; the message names it.</exception>
    public static void Take(IEnumerable<(string Name, Tensor Tensor)> tensors, object owner)
    {
        List<Tensor> taken = [];
        foreach ((string name, Tensor tensor) in tensors)
        {
            if (!Owners.TryAdd(tensor, owner))
            {
                Release(taken);
                throw new InvalidOperationException(
                    $"'{name}' of the module belongs to another SharpnessAwareOptimizer, which would continue without changing it. " +
                    "Dispose that one first; a parameter has one optimiser at a time.");
            }
            taken.Add(tensor);
        }
    }

    /// <summary>Gives them up.</summary>
    public static void Release(IEnumerable<Tensor> tensors)
    {
        foreach (Tensor tensor in tensors)
            Owners.Remove(tensor);
    }
}
