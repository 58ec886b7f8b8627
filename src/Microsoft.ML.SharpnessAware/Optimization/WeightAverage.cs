using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// An average of the weights that an optimiser goes through, which often classifies better than the last ones: exponential (EMA, Polyak
/// averaging) or of equal parts (SWA, Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization").
/// </summary>
/// <remarks>
/// The average is one vector beside the optimiser's, and an update two operations. Call <see cref="Update"/> after steps, and
/// <see cref="Apply"/> to look at the network with the averaged weights. Running statistics (batch normalisation) are not averaged, since
/// they would not be those of the averaged weights: make them anew by <c>UpdateStatistics</c>. When the network gets its own weights back
/// it gets its own statistics back, too.
/// </remarks>
/// <example>
/// <code>
/// using WeightAverage average = WeightAverage.Exponential(optimizer, decay: 0.999);
/// // after each step:
/// average.Update();
/// // to evaluate:
/// using (average.Apply())
/// {
///     WeightAverage.UpdateStatistics(net, batches);
///     // ...
/// }
/// </code>
/// </example>
public sealed class WeightAverage : IDisposable
{
    // *** Binary format ***
    // uint: signature, "SAMW"
    // int: version of the format
    // string: element type; int and string[]: number of parameters, and name and shape of each
    // long: number of updates
    // byte[]: the average, as long as the flat vector

    private const uint Signature = 0x574D4153;
    private const int Version = 1, StreamBuffer = 1 << 16;

    private readonly FlatParameters _parameters;
    private readonly double? _decay;
    private readonly Tensor _average;
    private bool _isApplied, _disposed;

    private WeightAverage(SharpnessAwareOptimizer optimizer, double? decay)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        _parameters = optimizer.Parameters;
        _decay = decay;
        _average = _parameters.CreateState();
    }

    /// <summary>An exponential average: each update takes the share 1 − decay of the weights as they are.</summary>
    /// <param name="optimizer">The optimiser whose weights are averaged.</param>
    /// <param name="decay">The decay in [0, 1). Default 0.999: the last thousand updates or so. The first update takes the weights as they
    /// are, as torch.optim.swa_utils does; begin after the first epoch or so, or take a smaller decay for a short training.</param>
    /// <returns>The average, to be disposed before the optimiser.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="decay"/> is not in [0, 1).</exception>
    public static WeightAverage Exponential(SharpnessAwareOptimizer optimizer, double decay = 0.999) =>
        new(optimizer, Require.BelowOne(decay, nameof(decay)));

    /// <summary>The mean of the weights at all updates: one an epoch in the last quarter of a training, as SWA does.</summary>
    /// <param name="optimizer">The optimiser whose weights are averaged.</param>
    /// <returns>The average, to be disposed before the optimiser.</returns>
    public static WeightAverage Uniform(SharpnessAwareOptimizer optimizer) => new(optimizer, decay: null);

    /// <summary>How many times the weights were taken into the average.</summary>
    public long Updates { get; private set; }

    /// <summary>Takes the weights as they are into the average.</summary>
    /// <exception cref="InvalidOperationException">The averaged weights are in the network at the moment.</exception>
    public void Update()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_isApplied)
            throw new InvalidOperationException("The network has the averaged weights at the moment: dispose what Apply() returned first.");
        using var noGradient = no_grad();
        Updates++;
        double decay = _decay ?? ((Updates - 1.0) / Updates);
        if (Updates == 1)
        {
            _average.copy_(_parameters.Weights);
            return;
        }
        using Scalar keep = decay.ToScalar(), share = (1 - decay).ToScalar();
        _average.mul_(keep).add_(_parameters.Weights, share);
    }

    /// <summary>Puts the averaged weights into the network until the result is disposed.</summary>
    /// <returns>What puts the network's own weights back, and its buffers (running statistics) as they are now.</returns>
    /// <exception cref="InvalidOperationException">There was no update yet, or they are there already.</exception>
    public IDisposable Apply()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Updates == 0 || _isApplied)
        {
            throw new InvalidOperationException(
                _isApplied ? "The network has the averaged weights already." : "There is no average yet: call Update() after steps.");
        }
        using var noGradient = no_grad();
        var own = new Restoring(this);
        _parameters.Weights.copy_(_average);
        _isApplied = true;
        return own;
    }

    /// <summary>Makes running statistics anew, those of the weights as they are: the mean over passes on training data. A layer may
    /// run more than once in a pass, and each of its runs counts alike; one that no pass runs keeps its own.</summary>
    /// <param name="module">The network. What is in evaluation mode while the network itself, or a part of it that has statistics, is in
    /// training mode is frozen, and stays as it is. Otherwise all of it is put into training mode for the passes; afterwards each layer has
    /// its own mode again.</param>
    /// <param name="passes">Forward passes on mini-batches of training data, called without gradient recording. Their tensors are
    /// disposed. Where no statistics are to be made, none is called.</param>
    /// <exception cref="ArgumentException">There are statistics to be made and no passes.</exception>
    /// <exception cref="InvalidOperationException">A pass gives batch norm a single value for each channel. The statistics are as
    /// before.</exception>
    public static void UpdateStatistics(nn.Module module, IEnumerable<Action> passes)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(passes);
        // Containers come before what is in them, and what is in two comes twice: train() goes down to all layers.
        (nn.Module Layer, bool IsTraining)[] modes = [.. module.modules().Prepend(module).Select(layer => (layer, layer.training))];
        NormBase[] layers = [.. modes.Select(mode => mode.Layer).OfType<NormBase>().Distinct().Where(norm => norm.track_running_stats)];
        bool areOfTraining = module.training || Array.Exists(layers, norm => norm.training);
        if (!areOfTraining)
            module.train();
        layers = Array.FindAll(layers, norm => norm.training);
        try
        {
            if (layers.Length > 0)
                Average(module, layers, passes);
        }
        finally
        {
            if (!areOfTraining)
                Array.ForEach(modes, mode => mode.Layer.train(mode.IsTraining));
        }
    }

    /// <summary>As <see cref="UpdateStatistics(nn.Module, IEnumerable{Action})"/>, where a pass is a call of the network with a
    /// mini-batch.</summary>
    /// <param name="module">The network, as above.</param>
    /// <param name="batches">Mini-batches of training data, on the network's device. They are not disposed, but what the sequence makes
    /// while it is read is, at the end.</param>
    /// <exception cref="ArgumentException">There are statistics to be made and no mini-batches.</exception>
    /// <exception cref="InvalidOperationException">A mini-batch gives batch norm a single value for each channel. The statistics are as
    /// before.</exception>
    public static void UpdateStatistics(nn.Module<Tensor, Tensor> module, IEnumerable<Tensor> batches)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(batches);
        UpdateStatistics(module, batches.Select(batch => (Action)(() => module.call(batch))));
    }

    private static void Average(nn.Module module, NormBase[] layers, IEnumerable<Action> passes)
    {
        using var noGradient = no_grad();
        using DisposeScope outer = NewDisposeScope();
        var statistics = new List<MeanStatistics>();
        try
        {
            foreach (NormBase layer in layers)
                statistics.Add(new MeanStatistics(layer));
            long count = 0;
            foreach (Action pass in passes)
            {
                count++;
                statistics.ForEach(ofLayer => ofLayer.BeginPass(count));
                using DisposeScope scope = NewDisposeScope();
                pass();
            }
            if (count == 0)
                throw new ArgumentException("Running statistics need passes over training data, and there are none.", nameof(passes));
            BatchStatistics.CheckVariances(module);
            statistics.ForEach(ofLayer => ofLayer.Complete());
        }
        catch
        {
            statistics.ForEach(ofLayer => ofLayer.PutBack());
            throw;
        }
        finally
        {
            statistics.ForEach(ofLayer => ofLayer.Dispose());
        }
    }

    /// <summary>Writes the average, for an exact continuation.</summary>
    /// <param name="writer">Where to write. It is left open.</param>
    public void Save(BinaryWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ObjectDisposedException.ThrowIf(_disposed, this);
        writer.Write(Signature);
        writer.Write(Version);
        writer.Write(_parameters.DType.ToString());
        writer.Write(_parameters.Names.Count);
        foreach (string name in _parameters.Names)
            writer.Write(name);
        writer.Write(Updates);
        writer.Flush();
        using Tensor average = _average.cpu();
        average.WriteBytesToStream(writer.BaseStream, StreamBuffer);
    }

    /// <summary>Reads what <see cref="Save"/> wrote, into an average of the same module's weights.</summary>
    /// <param name="reader">Where to read. It is left open, behind the average.</param>
    /// <exception cref="InvalidDataException">It is not an average, ends early, or belongs to another module. This one is left as it was.
    /// </exception>
    public void Load(BinaryReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        ObjectDisposedException.ThrowIf(_disposed, this);
        using Tensor loaded = empty_like(_average, device: CPU);
        try
        {
            if (reader.ReadUInt32() != Signature || reader.ReadInt32() != Version)
                throw new InvalidDataException("This is not a WeightAverage of this version.");
            if (reader.ReadString() != _parameters.DType.ToString() || reader.ReadInt32() != _parameters.Names.Count
                || !_parameters.Names.All(name => reader.ReadString() == name))
                throw new InvalidDataException("The average of weights is of another module.");
            long updates = reader.ReadInt64();
            if (updates < 0)
                throw new InvalidDataException($"The average of weights is damaged: its number of updates is {updates}.");
            loaded.ReadBytesFromStream(reader.BaseStream, StreamBuffer);
            using var noGradient = no_grad();
            _average.copy_(loaded);
            Updates = updates;
        }
        catch (Exception e) when (e is IOException or FormatException)      // IOException also where a text has a negative length
        {
            throw new InvalidDataException("The average of weights ends early or is damaged.", e);
        }
    }

    /// <summary>Frees the average.</summary>
    public void Dispose()
    {
        _disposed = true;
        _average.Dispose();
    }

    /// <summary>Keeps the weights and buffers of the moment it is made, and puts them back.</summary>
    private sealed class Restoring(WeightAverage average) : IDisposable
    {
        private readonly Tensor[] _own = [.. Places(average).Select(place => place.clone().DetachFromDisposeScope())];
        private bool _isDone;

        public void Dispose()
        {
            if (_isDone)
                return;
            _isDone = true;
            using var noGradient = no_grad();
            foreach ((Tensor place, Tensor own) in Places(average).Zip(_own))
            {
                place.copy_(own);
                own.Dispose();
            }
            average._isApplied = false;
        }

        private static IEnumerable<Tensor> Places(WeightAverage average) =>
            average._parameters.Buffers.Prepend(average._parameters.Weights);
    }
}
