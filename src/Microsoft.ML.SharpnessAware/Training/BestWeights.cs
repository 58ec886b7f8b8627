using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Early stopping: remembers the weights of the best epoch, and notices when there was no better one for a while.</summary>
internal sealed class BestWeights : IDisposable
{
    private readonly nn.Module _network;
    private readonly EarlyStopping? _criteria;
    private Dictionary<string, Tensor> _weights = [];
    private double _best = double.NegativeInfinity;
    private int _epochsSince;

    /// <exception cref="InvalidOperationException">There are criteria, but no validation images to apply them to.</exception>
    public BestWeights(nn.Module network, EarlyStopping? criteria, bool hasValidation)
    {
        if (criteria is not null && !hasValidation)
            throw new InvalidOperationException(
                "EarlyStoppingCriteria needs validation images. Give a ValidationSet or a larger ValidationSetFraction, or leave EarlyStoppingCriteria null.");
        _network = network;
        _criteria = criteria;
    }

    /// <summary>The best epoch so far; 0 before the first.</summary>
    public int Epoch { get; private set; }

    /// <summary>Takes note of an epoch. Returns whether training should stop. Never does without criteria.</summary>
    public bool Observe(EpochMetrics metrics)
    {
        if (_criteria is null)
            return false;

        double value = _criteria.Metric == EarlyStoppingMetric.Accuracy ? metrics.ValidationAccuracy : -metrics.ValidationLogLoss;
        if (value > _best + _criteria.MinDelta || Epoch == 0)
        {
            _best = value;
            _epochsSince = 0;
            Epoch = metrics.Epoch;
            DisposeWeights();
            using var noGrad = no_grad();
            _weights = _network.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.clone().DetachFromDisposeScope());
            return false;
        }
        return ++_epochsSince >= _criteria.Patience;
    }

    /// <summary>Puts the best epoch's weights back; does nothing without criteria.</summary>
    public void Restore()
    {
        using var noGrad = no_grad();
        foreach ((string name, Tensor tensor) in _network.state_dict())
        {
            if (_weights.TryGetValue(name, out Tensor? best))
                tensor.copy_(best);
        }
    }

    /// <summary>Writes what a continued training needs.</summary>
    public void Write(BinaryWriter writer)
    {
        writer.Write(Epoch);
        writer.Write(_best);
        writer.Write(_epochsSince);
        using var weights = new MemoryStream();
        SafetensorsFile.Write(weights, _weights);
        writer.WriteBytes(weights.GetBuffer().AsSpan(0, (int)weights.Length));
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <exception cref="InvalidDataException">The weights are damaged, or not of the network.</exception>
    public void Read(BinaryReader reader)
    {
        (Epoch, _best, _epochsSince) = (reader.ReadInt32(), reader.ReadDouble(), reader.ReadInt32());
        DisposeWeights();
        using var stream = new MemoryStream(reader.ReadBytesWithLength());
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> weights = SafetensorsFile.Read(stream, stream.Length);
        if (Epoch != 0)
            ModuleWeights.Check(_network, weights);
        if (Epoch < 0 || _epochsSince < 0 || (Epoch == 0 && weights.Count > 0))
            throw new InvalidDataException("The checkpoint is damaged: what it tells of early stopping contradicts itself.");
        _weights = weights.ToDictionary(entry => entry.Key, entry => entry.Value.DetachFromDisposeScope());
    }

    public void Dispose() => DisposeWeights();

    private void DisposeWeights()
    {
        foreach (Tensor tensor in _weights.Values)
            tensor.Dispose();
        _weights = [];
    }
}
