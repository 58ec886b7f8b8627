using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// All buffers of a module (running statistics and their counters) as views of one vector for each element type and device, so that saving
/// and restoring them is a handful of operations however many layers there are.
/// </summary>
/// <remarks>Buffers registered as not persistent are left out, because TorchSharp does not list them.</remarks>
internal sealed class FlatBuffers : IDisposable
{
    private readonly List<(string Name, Tensor Buffer)> _members;
    private readonly List<nn.Module> _holders;
    private readonly IDisposable _owned;
    private readonly List<Tensor> _vectors = [];

    public FlatBuffers(nn.Module module)
    {
        using DisposeScope scope = NewDisposeScope();
        using var noGradient = no_grad();
        _members = [.. module.named_buffers()];
        _holders = [.. module.modules().Append(module).Where(m => m.named_buffers(recurse: false).Any())];
        _owned = OwnedTensors.Take(_members, this);
        try
        {
            foreach (var group in _members.GroupBy(m => (m.Buffer.dtype, m.Buffer.device_type, m.Buffer.device_index)))
                _vectors.Add(Joined([.. group.Select(m => m.Buffer)]));
        }
        catch       // out of memory
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Whether a forward pass may change a buffer: some layer that has one is in training mode.</summary>
    public bool MayChange => _holders.Exists(module => module.training);

    /// <summary>The vectors themselves.</summary>
    public IReadOnlyList<Tensor> Vectors => _vectors;

    /// <summary>A copy of all buffers, which belongs to the current dispose scope.</summary>
    /// <exception cref="InvalidOperationException">The module's buffers are no longer those of the vectors.</exception>
    public Tensor[] Save()
    {
        foreach ((string name, Tensor buffer) in _members)
        {
            if (buffer.IsInvalid)
            {
                throw new InvalidOperationException(
                    $"Buffer '{name}' of the module was replaced after the optimiser was made, as to(), cuda() or a load on the GPU do. " +
                    "Convert, move and load the module first, then make the optimiser.");
            }
        }
        return [.. _vectors.Select(v => v.clone())];
    }

    /// <summary>Whether something is not a number that was one in an earlier copy: above 0 if so. It is not waited for.</summary>
    /// <param name="before">The earlier copy.</param>
    /// <param name="after">A later copy, or the vectors.</param>
    /// <param name="device">Where the answer is to be.</param>
    public static Tensor HasNewNaN(IEnumerable<Tensor> before, IEnumerable<Tensor> after, Device device)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] areNew = [.. before.Zip(after).Where(pair => pair.First.is_floating_point())
            .Select(pair => pair.Second.isnan().logical_and_(pair.First.eq(pair.First)).any().to(float64, device))];
        return scope.MoveToOuter(areNew.Length == 1 ? areNew[0]
            : areNew.Length == 0 ? zeros([], float64, device) : stack(areNew).sum());
    }

    /// <summary>Puts a saved copy back.</summary>
    public void Restore(IReadOnlyList<Tensor> saved)
    {
        for (int i = 0; i < saved.Count; i++)
            _vectors[i].copy_(saved[i]);
    }

    public void Dispose()
    {
        _owned.Dispose();
        _vectors.ForEach(v => v.Dispose());
        _vectors.Clear();
    }

    /// <summary>A vector of all values, of which the buffers are views from now on.</summary>
    private static Tensor Joined(Tensor[] buffers)
    {
        Tensor vector = cat([.. buffers.Select(b => b.reshape(-1))]).DetachFromDisposeScope();
        long offset = 0;
        foreach (Tensor buffer in buffers)
        {
            buffer.set_(vector.narrow(0, offset, buffer.numel()).view(buffer.shape));
            offset += buffer.numel();
        }
        return vector;
    }
}
