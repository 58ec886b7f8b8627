using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Trains any TorchSharp module, on class labels or by any loss, with SAM and its relatives (<see cref="SharpnessAwareMethod"/>) on top of
/// SGD, AdamW or another optimiser.
/// </summary>
/// <remarks>
/// <para>
/// The optimiser makes all trainable parameters views of one vector, so convert, move and load the module, and choose which parameters
/// require a gradient, before making it; a module has one optimiser at a time. It looks after gradients itself: no <c>zero_grad</c> and no
/// <c>backward</c>. The module's mode (<c>train</c>, <c>eval</c>) is left as it is.
/// </para>
/// <para>
/// As in torch, a parameter that the loss of a step does not depend on stays as it is in that step: no weight decay, no momentum. So does
/// one that is frozen (<c>requires_grad = false</c>) after the optimiser was made; one that is freed afterwards is an error.
/// </para>
/// <para>
/// Running statistics (batch normalisation) are those of the first, unperturbed pass, and both passes see the same dropout mask.
/// A step that throws leaves weights and running statistics as they were, and does not count. Where it is the update of a rule of your own
/// or of TorchSharp's that throws, the rule's own state (momentum, moments) keeps what the update made of it until then.
/// </para>
/// <para>
/// A step that climbs returns to the weights from before it, and so does not keep what a forward pass itself has changed of them, as an
/// <c>nn.Embedding</c> with <c>max_norm</c> does: bound such weights between steps.
/// </para>
/// <para>
/// On a CUDA device the mask is repeated by seeding: TorchSharp can neither save nor restore the state of a CUDA generator, so each step of
/// two passes draws a number from torch's generator on the CPU and seeds all CUDA generators of the process with it. What the application
/// draws on a GPU afterwards depends on that. Where it must not, and no layer draws, set <see cref="RepeatsRandomness"/> to false.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Csam(), new BaseOptimizer.Sgd(0.1));
/// foreach ((Tensor images, Tensor labels) in batches)
///     totalLoss += optimizer.Step(() => net.call(images), labels);
/// </code>
/// </example>
public sealed partial class SharpnessAwareOptimizer : IDisposable
{
    private readonly SharpnessAwareMethod _method;
    private readonly ClassificationLoss _loss;
    private readonly FlatParameters _parameters;
    private readonly FlatBuffers _buffers;
    private readonly UpdateRule _rule;
    private readonly Tensor _savedWeights;
    private readonly nn.Module _module;
    private readonly HeldBatchNorm _batchNorm;
    private GradientExchange? _exchange;
    private SynchronizedBatchNorm? _synchronized;
    private Tensor[] _savedBuffers = [];
    private long _completedSteps;
    private bool _isFirst = true;
    private bool _disposed;

    /// <summary>Makes an optimiser for a module.</summary>
    /// <param name="module">The network, with parameters of one type (float32 or float64) on one device: the CPU or a CUDA device.
    /// A parameter under several names, such as an embedding that is the output layer's weight, is trained once, and is called by the
    /// first of them.</param>
    /// <param name="method">What a step minimises, with a <see cref="SharpnessAwareMethod.LatePhase"/> of 1: see <see
    /// cref="Climbs"/>.</param>
    /// <param name="baseOptimizer">How a gradient changes the weights.</param>
    /// <param name="loss">The loss of a sample; null is cross entropy. CSAM's damping multiplies it.</param>
    /// <param name="groups">Parameters that are treated differently from the others; null where all are alike.</param>
    /// <exception cref="ArgumentException">
    /// The module has no trainable parameters, or has some of another type, on several devices or on one that is neither the CPU nor of
    /// CUDA, or one that shares memory with another, a frozen one or a buffer without being one; or groups overlap, name nothing, or treat
    /// the names of one parameter differently. The message names the parameter. Or the method has a late phase, which only the trainer
    /// knows.
    /// </exception>
    /// <exception cref="InvalidOperationException">A parameter or buffer of the module has another optimiser already.</exception>
    public SharpnessAwareOptimizer(nn.Module module, SharpnessAwareMethod method, BaseOptimizer baseOptimizer,
        ClassificationLoss? loss = null, IReadOnlyList<ParameterGroup>? groups = null)
        : this(module, method, loss, groups,
            FlatRule.Of(baseOptimizer ?? throw new ArgumentNullException(nameof(baseOptimizer))))
    {
    }

    /// <summary>Makes an optimiser for a module on top of one of TorchSharp's.</summary>
    /// <param name="module">The network, with parameters of one type (float32 or float64) on one device: the CPU or a CUDA device.
    /// A parameter under several names, such as an embedding that is the output layer's weight, is trained once, and is called by the
    /// first of them.</param>
    /// <param name="method">What a step minimises, with a <see cref="SharpnessAwareMethod.LatePhase"/> of 1: see <see
    /// cref="Climbs"/>.</param>
    /// <param name="baseOptimizer">
    /// An optimiser of the module's parameters, made by <c>torch.optim</c>; any but L-BFGS, which makes passes of its own. Its groups, its
    /// learning rates and a scheduler that was made for it work as always; <see cref="LearningRate"/> is that of its first group, and
    /// setting it sets all. Of its parameters a step changes those only that are trained here. It stays yours to dispose.
    /// </param>
    /// <param name="loss">The loss of a sample; null is cross entropy. CSAM's damping multiplies it.</param>
    /// <param name="groups">Parameters that climb differently from the others or are frozen; null where all are alike. Learning rates and
    /// weight decay are the base optimiser's to group.</param>
    /// <exception cref="ArgumentException">As for the other base optimisers, or a group has a learning rate factor or a weight
    /// decay, or the base optimiser is L-BFGS, has none of the parameters that are trained, or has one of them in two groups.</exception>
    /// <exception cref="InvalidOperationException">A parameter or buffer of the module has another optimiser already.</exception>
    public SharpnessAwareOptimizer(nn.Module module, SharpnessAwareMethod method, optim.Optimizer baseOptimizer,
        ClassificationLoss? loss = null, IReadOnlyList<ParameterGroup>? groups = null)
        : this(module, method, loss, groups,
            TorchRule.Of(baseOptimizer ?? throw new ArgumentNullException(nameof(baseOptimizer)), groups))
    {
    }

    private SharpnessAwareOptimizer(nn.Module module, SharpnessAwareMethod method, ClassificationLoss? loss,
        IReadOnlyList<ParameterGroup>? groups, Func<FlatParameters, UpdateRule> createRule)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(method);
        if (method.LatePhase < 1)
        {
            throw new ArgumentException(
                FormattableString.Invariant($"{nameof(method.LatePhase)} is {method.LatePhase}, and an optimiser alone does not know ") +
                $"how long the training is: leave it 1, and set {nameof(Climbs)}: false at first, true where the late phase begins.",
                nameof(method));
        }
        _module = module;
        _method = method;
        _loss = loss ?? new ClassificationLoss.CrossEntropy();
        Rho = method.Rho;
        Gamma = method.Gamma;
        try
        {
            _parameters = new FlatParameters(module, groups);
            _buffers = new FlatBuffers(module);
            _rule = createRule(_parameters);
            _savedWeights = _parameters.CreateState();
            _batchNorm = new(module);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Learning rate η of the next step, at least 0. At first the base optimiser's.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, not a number, or beyond the largest float.</exception>
    public double LearningRate
    {
        get => _rule.LearningRate;
        set => _rule.LearningRate = Require.NonNegativeFloat(value, nameof(LearningRate));
    }

    /// <summary>Radius ρ of the next step's climb, at least 0. At first the method's. Where only every k-th step climbs, it does so by
    /// ρ·k.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, not a number, or beyond the largest float.</exception>
    public double Rho { get; set => field = Require.NonNegativeFloat(value, nameof(Rho)); }

    /// <summary>CSAM's γ of the next step, in [0, 2]. At first the method's. A setting, which <see cref="Save"/> does not write.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 2].</exception>
    public double Gamma { get; set => field = Require.Within(value, 0, 2, nameof(Gamma)); }

    /// <summary>
    /// Whether the next steps are the method's. False makes them steps of the base optimiser, without climb and damping, as before the late
    /// phase of a training. Default true. A setting, which <see cref="Save"/> does not write.
    /// </summary>
    public bool Climbs { get; set; } = true;

    /// <summary>
    /// Chooses, with the number of the step, the samples that the gradient of the climb is taken of where it is of a share of the
    /// mini-batch. Default 0.
    /// </summary>
    public int Seed { get; init; }

    /// <summary>
    /// Norm of the gradient at w in the latest step, ‖g‖ or for an adaptive method ‖|w|g‖; not a number before the first step, and where
    /// the processes of a group climb on their own and SSAM does not need it.
    /// </summary>
    public double GradientNorm { get; private set; } = double.NaN;

    /// <summary>
    /// The same of the gradient g̃ at w̃ in the latest step, ‖g̃‖ or for an adaptive method ‖|w̃|g̃‖, before SSAM rescales it; where parts
    /// of the mini-batch climb by themselves, that of the averaged g̃, and ‖|w|g̃‖. Not a number where there was no second pass. While
    /// training is stable it is near <see cref="GradientNorm"/>; where it is many times as large, SAM's steps overshoot.
    /// </summary>
    public double PerturbedGradientNorm { get; private set; } = double.NaN;

    /// <summary>
    /// Greatest Euclidean length of the gradient that the base optimiser is given, after SSAM's rescaling; a longer one is scaled down to
    /// it. Null, the default, does not clip.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not above 0, not a number, or beyond the largest float.</exception>
    public double? MaxGradientNorm
    {
        get;
        set => field = value is { } norm ? Require.PositiveFloat(norm, nameof(MaxGradientNorm)) : null;
    }

    /// <summary>
    /// Whether the second pass gets the random numbers of the first, so that both see the same dropout mask. Default true. False leaves
    /// torch's generators alone, which is as good where no layer draws random numbers.
    /// </summary>
    public bool RepeatsRandomness { get; init; } = true;

    /// <summary>
    /// Processes that train the same module together, each with its part of the mini-batch; null, the default, where this one trains it
    /// alone. A step is then one of the mini-batch of all: its loss, gradient, norms, clipping and damping are those of all samples, each
    /// counting alike, and running statistics (batch normalisation) are averaged after it. All processes have the same weights after each
    /// step, bit for bit, where they have the same number of threads and the same kind of processor.
    /// </summary>
    /// <remarks>
    /// A loss of your own does not say how many samples it covers: each process counts alike in <see cref="Step(Func{Tensor})"/>. Where
    /// they have different numbers n of samples, say so: <c>Step([new MicroBatch(loss, weight: n)])</c>.
    /// <para>
    /// Every process makes its steps in the same number and order, each with at least one sample. Weights and running statistics of the
    /// first step are those of process 0. Batch normalisation normalises by the part of the mini-batch that a process has, unless <see
    /// cref="SynchronizeBatchNorm"/> is set.
    /// </para>
    /// </remarks>
    public ProcessGroup? ProcessGroup
    {
        get;
        init => (field, _exchange) = (value, value is { Size: > 1 } ? new GradientExchange(value, _parameters) : null);
    }

    /// <summary>
    /// Whether all processes of a group climb together, along the gradient of the whole mini-batch, at the price of a second exchange of
    /// gradients a step: the step is that of one process with the whole mini-batch. Default false: each climbs along the gradient of its
    /// own part, which is m-sharpness (<see cref="Ascent.PerMicroBatch"/>), needs no exchange, and is at least as good (Foret et al. 2021,
    /// section 4.1).
    /// </summary>
    public bool SharedAscent { get; init; }

    /// <summary>
    /// Whether batch norm in training mode normalises by the images of all processes of a group, at the price of an exchange for each layer
    /// in each forward and each backward pass: outputs, gradients and running statistics are those of one process with the whole
    /// mini-batch. Default false: by those of each process. A climb must be shared then (<see cref="SharedAscent"/>), and be of the whole
    /// mini-batch.
    /// </summary>
    /// <remarks>Of BatchNorm1d, 2d and 3d with running statistics, which must have no forward hooks then, and be run by <c>call()</c>: of
    /// <c>forward()</c> nobody can take the place. A step says so. From the first step until the optimiser is disposed, every pass of the
    /// module in training mode is one of all processes.</remarks>
    public bool SynchronizeBatchNorm { get; init; }

    /// <summary>The parameters and their vector, for averages of weights.</summary>
    internal FlatParameters Parameters => _disposed ? throw new ObjectDisposedException(GetType().FullName) : _parameters;

    /// <summary>
    /// From now on the learning rate of the named parameters is <see cref="LearningRate"/> times a factor; with factor 1 nothing is
    /// computed differently. The climb is not scaled.
    /// </summary>
    internal void ScaleLearningRate(Func<string, bool> isNamed, double factor)
    {
        Require.NonNegative(factor, nameof(factor));
        foreach (FlatParameter member in _parameters.Members.Where(member => isNamed(member.Name)))
            member.LearningRateFactor = factor;
    }

    /// <summary>Averages running statistics, which each process makes anew, over those of the group, by weights of theirs.</summary>
    internal void ShareStatistics(double weight, Action make)
    {
        using var noGradient = no_grad();
        Tensor[] before = _exchange is not null && _buffers.MayChange ? _buffers.Save() : [];
        try
        {
            make();
            if (before.Length > 0)
                _exchange!.Average(_buffers, before, weight);
        }
        finally
        {
            Array.ForEach(before, tensor => tensor.Dispose());
        }
    }

    /// <summary>Frees the optimiser's tensors. The module keeps its weights and continues to work.</summary>
    public void Dispose()
    {
        _disposed = true;
        _synchronized?.Dispose();
        _batchNorm?.Dispose();      // where the constructor failed, there is not everything
        _savedWeights?.Dispose();
        _rule?.Dispose();
        _buffers?.Dispose();
        _parameters?.Dispose();
    }
}
