using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Which parameters and buffers belong to an optimiser. A second one would make them views of its own vectors, and the first would go on
/// with vectors that no network reads.
/// </summary>
internal static class OwnedTensors
{
    private static readonly ConditionalWeakTable<Tensor, Owned> Owners = [];

    /// <summary>Takes all of them, or none.</summary>
    /// <remarks>One tensor may come as several objects.</remarks>
    /// <returns>Gives them up.</returns>
    /// <exception cref="InvalidOperationException">One belongs to another owner; the message names it.</exception>
    public static IDisposable Take(IEnumerable<(string Name, Tensor Tensor)> tensors, object owner)
    {
        var taken = new Taken();
        lock (Owners)
        {
            HashSet<IntPtr> ofOthers = [.. Owners.Where(entry => !entry.Key.IsInvalid).Select(entry => entry.Value.Identity)];
            foreach ((string name, Tensor tensor) in tensors)
            {
                IntPtr identity = TensorIdentity.Of(tensor);
                if (ofOthers.Contains(identity) || !Owners.TryAdd(tensor, new Owned(owner, identity)))
                {
                    taken.Dispose();
                    throw new InvalidOperationException(
                        $"'{name}' of the module belongs to another SharpnessAwareOptimizer, which would continue without changing it. " +
                        "Dispose that one first; a parameter has one optimiser at a time.");
                }
                taken.Tensors.Add(tensor);
            }
        }
        return taken;
    }

    private sealed record Owned(object Owner, IntPtr Identity);

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
