using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Which part of the network a training changes, and the optimiser that does it: in epochs with a frozen backbone the head alone, on
/// features of the backbone in evaluation mode, then all. Without such epochs it is one optimiser for the network.
/// </summary>
internal sealed class TrainedPart : IDisposable
{
    private readonly SharpnessAwareImageClassificationTrainer.Options _options;
    private readonly ImageClassifier _classifier;
    private readonly nn.Module<Tensor, Tensor> _network;
    private readonly ClassificationHead? _head;
    private readonly int _seed;
    private readonly long _totalSteps;
    private readonly List<Parameter> _frozen = [];
    private SharpnessAwareOptimizer? _optimizer;
    private int _epoch;

    /// <exception cref="InvalidOperationException">Head and backbone are to be treated differently, and the network has no head that can be
    /// told.</exception>
    public TrainedPart(
        SharpnessAwareImageClassificationTrainer.Options options, ImageClassifier classifier, int seed, long totalSteps)
    {
        (_seed, _totalSteps) = (seed, totalSteps);
        _options = options;
        _classifier = classifier;
        _network = classifier.Network;
        if (options.TreatsBackboneDifferently)
            _head = ClassificationHead.Of(classifier.Network, classifier.NumberOfClasses, classifier.Architecture);
    }

    /// <summary>Whether the backbone stays as it is in the epoch of the last <see cref="OptimizerFor"/>.</summary>
    public bool BackboneIsFrozen { get; private set; }

    /// <summary>The average of the weights that change, where the options ask for one.</summary>
    public AveragedWeights? Average { get; private set; }

    /// <summary>The optimiser of an epoch, counted from 1; a new one where what it changes is not what the last one changed.</summary>
    public SharpnessAwareOptimizer OptimizerFor(int epoch)
    {
        _epoch = epoch;
        bool freeze = _options.FreezeBackbone || epoch <= _options.FreezeEpochs;
        if (_optimizer is not null && freeze == BackboneIsFrozen)
            return _optimizer;

        Thaw();
        BackboneIsFrozen = freeze;
        if (freeze)
            Freeze(name => !_head!.Owns(name));
        if (_options.FreezeBatchNorm)
            FreezeBatchNorm();
        // The training's loop knows when the late phase begins.
        _optimizer = new SharpnessAwareOptimizer(
            _network, _options.Method with { LatePhase = 1 }, _options.EffectiveBaseOptimizer, _options.Loss)
        {
            MaxGradientNorm = _options.MaxGradientNorm,
            RepeatsRandomness = _options.DrawsRandomNumbers,
            Seed = _seed,
            ProcessGroup = _options.ProcessGroup,
            SharedAscent = _options.SharedAscent,
            SynchronizeBatchNorm = _options.SynchronizeBatchNorm,
        };
        if (_head is not null)
            _optimizer.ScaleLearningRate(name => !_head.Owns(name), _options.BackboneLearningRateFactor);
        if (_options.WeightAveraging is not null)
            Average = new AveragedWeights(_options.WeightAveraging, _optimizer, _options.Epoch, _totalSteps);
        return _optimizer;
    }

    /// <summary>Puts the network into training mode, but what is frozen, which works as in scoring.</summary>
    public void StartTraining()
    {
        _network.train(!BackboneIsFrozen);
        if (!_options.FreezeBatchNorm)
            return;
        foreach (nn.Module norm in BatchNorms(_network))
            norm.eval();
    }

    /// <summary>
    /// A forward pass for the optimiser, and what it is given. A frozen backbone sees the images once, however many passes there are.
    /// </summary>
    public (Func<Tensor, Tensor> Network, Tensor Inputs) Pass(Tensor images) =>
        BackboneIsFrozen ? (_head!.Layer.call, _head.Features(_classifier.Run, images)) : (_classifier.Run, images);

    /// <summary>Makes running statistics, which each process of a group makes of its own images, those of all.</summary>
    /// <param name="images">How many images this process' are of.</param>
    /// <param name="make">Makes them.</param>
    public void ShareStatistics(long images, Action make) => _optimizer!.ShareStatistics(images, make);

    /// <summary>Writes what a continued training needs beside the network's weights.</summary>
    public void Write(BinaryWriter writer)
    {
        writer.Write(_epoch);
        _optimizer?.Save(writer);
        Average?.Write(writer);
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <exception cref="InvalidDataException">It is of no epoch of this training, of another network, or of a version that laid the
    /// network's weights out otherwise.</exception>
    public void Read(BinaryReader reader, int version)
    {
        Thaw();
        int epoch = reader.ReadInt32();
        if (epoch < 0 || epoch > _options.Epoch)
            throw new InvalidDataException(
                $"The checkpoint is damaged: its optimiser is of epoch {epoch}, and the training has {_options.Epoch}.");
        _epoch = epoch;
        if (epoch == 0)
            return;
        SharpnessAwareOptimizer optimizer = OptimizerFor(epoch);
        if (version < CheckpointFile.VersionLayouts)
            CheckLayouts(optimizer);
        optimizer.Load(reader);
        Average?.Read(reader);
    }

    /// <summary>Frees the optimiser; all parameters that were trainable before are again.</summary>
    public void Dispose() => Thaw();

    /// <summary>Momentum and averages are written in the order of the weights in memory, and all weights of four dimensions once had
    /// their channels last there.</summary>
    private void CheckLayouts(SharpnessAwareOptimizer optimizer)
    {
        foreach ((FlatParameter member, string described) in optimizer.Parameters.Members.Zip(optimizer.Parameters.Names))
        {
            if (member.Parameter.dim() == 4 && !Layers.HasChannelsLast(member.Parameter))
            {
                throw new InvalidDataException(
                    $"The checkpoint is of an earlier version, which laid parameter '{described}' out otherwise in memory, so that its " +
                    $"momentum does not fit. {new CheckpointFile(_options.CheckpointPath!).WayToBeginAnew()}");
            }
        }
    }

    private void Freeze(Func<string, bool> isFrozen) => Freeze(
        _network.named_parameters().Where(entry => isFrozen(entry.name)).Select(entry => entry.parameter));

    private void FreezeBatchNorm() => Freeze(BatchNorms(_network).SelectMany(norm => norm.parameters()));

    private void Freeze(IEnumerable<Parameter> parameters)
    {
        foreach (Parameter parameter in parameters.Where(parameter => parameter.requires_grad))
        {
            parameter.requires_grad = false;
            _frozen.Add(parameter);
        }
    }

    private static IEnumerable<nn.Module> BatchNorms(nn.Module network) =>
        network.modules().OfType<BatchNorm>();

    private void Thaw()
    {
        Average?.Dispose();
        _optimizer?.Dispose();
        (Average, _optimizer) = (null, null);
        _frozen.ForEach(parameter => parameter.requires_grad = true);
        _frozen.Clear();
    }
}
