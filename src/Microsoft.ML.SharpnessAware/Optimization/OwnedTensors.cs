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
    /// <returns>Gives them up.</returns>
    /// <exception cref="InvalidOperationException">One belongs to another owner; the message names it.</exception>
    public static IDisposable Take(IEnumerable<(string Name, Tensor Tensor)> tensors, object owner)
    {
        var taken = new Taken();
        foreach ((string name, Tensor tensor) in tensors)
        {
            if (!Owners.TryAdd(tensor, owner))
            {
                taken.Dispose();
                throw new InvalidOperationException(
                    $"'{name}' of the module belongs to another SharpnessAwareOptimizer, which would continue without changing it. " +
                    "Dispose that one first; a parameter has one optimiser at a time.");
            }
            taken.Tensors.Add(tensor);
        }
        return taken;
    }

    private sealed class Taken : IDisposable
    {
        public List<Tensor> Tensors { get; } = [];

        public void Dispose()
        {
            Tensors.ForEach(tensor => Owners.Remove(tensor));
            Tensors.Clear();        // the second time they may be somebody else's
        }
    }
}
