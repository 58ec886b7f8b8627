using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The weights and buffers of the best epoch so far, for early stopping.</summary>
internal sealed class BestWeights(nn.Module network) : IDisposable
{
    private Dictionary<string, Tensor> _weights = [];

    /// <summary>The epoch that they are of; 0 before the first.</summary>
    public int Epoch { get; private set; }

    /// <summary>Keeps what the network has now.</summary>
    public void Keep(int epoch)
    {
        Dispose();
        Epoch = epoch;
        using var noGrad = no_grad();
        _weights = network.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.clone().DetachFromDisposeScope());
    }

    /// <summary>Puts them back into the network. Without any it is left as it is.</summary>
    public void Restore()
    {
        using var noGrad = no_grad();
        foreach ((string name, Tensor tensor) in network.state_dict())
        {
            if (_weights.TryGetValue(name, out Tensor? best))
                tensor.copy_(best);
        }
    }

    /// <summary>Writes what a continued training needs.</summary>
    public void Write(BinaryWriter writer)
    {
        writer.Write(Epoch);
        using var weights = new MemoryStream();
        SafetensorsFile.Write(weights, _weights);
        writer.WriteBytes(weights.GetBuffer().AsSpan(0, (int)weights.Length));
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <exception cref="InvalidDataException">The weights are damaged, or not of the network.</exception>
    public void Read(BinaryReader reader, int version)
    {
        int epoch = reader.ReadInt32();
        if (version == 1)
            (_, _) = (reader.ReadDouble(), reader.ReadInt32());      // the metric, which is in the history, and the epochs since
        Dispose();
        using var stream = new MemoryStream(reader.ReadBytesWithLength());
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> weights = SafetensorsFile.Read(stream, stream.Length);
        if (epoch != 0)
            ModuleWeights.Check(network, weights);
        if (epoch < 0 || (epoch == 0 && weights.Count > 0))
            throw new InvalidDataException("The checkpoint is damaged: what it tells of early stopping contradicts itself.");
        Epoch = epoch;
        _weights = weights.ToDictionary(entry => entry.Key, entry => entry.Value.DetachFromDisposeScope());
    }

    public void Dispose()
    {
        foreach (Tensor tensor in _weights.Values)
            tensor.Dispose();
        (Epoch, _weights) = (0, []);
    }
}
