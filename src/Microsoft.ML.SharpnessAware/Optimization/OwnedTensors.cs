using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Which parameters and buffers belong to an optimiser. A second one would make them views of its own vectors, and the first would go on
/// with vectors that no network reads.
/// </summary>
internal static class OwnedTensors
{
    private static readonly ConditionalWeakTable<Tensor, WeakReference> Owners = [];

    /// <summary>Takes all of them, or none.</summary>
    /// <returns>Gives them up.</returns>
    /// <exception cref="InvalidOperationException">One belongs to another owner; the message names it.</exception>
    public static IDisposable Take(IEnumerable<(string Name, Tensor Tensor)> tensors, object owner)
    {
        var taken = new Taken();
        var reference = new WeakReference(owner);
        foreach ((string name, Tensor tensor) in tensors)
        {
            if (Owners.TryGetValue(tensor, out WeakReference? other) && IsInUse(other))
            {
                taken.Dispose();
                throw new InvalidOperationException(
                    $"'{name}' of the module belongs to another SharpnessAwareOptimizer, which would continue without changing it. " +
                    "Dispose that one first; a parameter has one optimiser at a time.");
            }
            Owners.AddOrUpdate(tensor, reference);
            taken.Tensors.Add(tensor);
        }
        return taken;
    }

    /// <summary>One that nobody can dispose any more, since a setting in its initialiser was refused, is not.</summary>
    private static bool IsInUse(WeakReference owner)
    {
        if (owner.IsAlive)
            GC.Collect();       // the other way from here is an exception
        return owner.IsAlive;
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
