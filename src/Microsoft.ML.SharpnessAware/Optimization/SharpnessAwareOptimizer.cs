using TorchSharp;
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
/// A step that throws leaves weights and running statistics as they were.
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
///     totalLoss += optimizer.Step(() => net.forward(images), labels);
/// </code>
/// </example>
public sealed partial class SharpnessAwareOptimizer : IDisposable
{
    private const double Epsilon = 1e-12;

    private readonly SharpnessAwareMethod _method;
    private readonly ClassificationLoss _loss;
    private readonly FlatParameters _parameters;
    private readonly FlatBuffers _buffers;
    private readonly UpdateRule _rule;
    private readonly Tensor _savedWeights;
    private readonly nn.Module _module;
    private GradientExchange? _exchange;
    private SynchronizedBatchNorm? _synchronized;
    private long _completedSteps;
    private bool _isFirst = true;
    private bool _disposed;

    /// <summary>Makes an optimiser for a module.</summary>
    /// <param name="module">The network, with parameters of one type (float32 or float64) on one device.</param>
    /// <param name="method">What a step minimises.</param>
    /// <param name="baseOptimizer">How a gradient changes the weights.</param>
    /// <param name="loss">The loss of a sample; null is cross entropy. CSAM's damping multiplies it.</param>
    /// <param name="groups">Parameters that are treated differently from the others; null where all are alike.</param>
    /// <exception cref="ArgumentException">
    /// The module has no trainable parameters, or has some of another type or on several devices; or groups overlap or name nothing. The
    /// message names the parameter.
    /// </exception>
    /// <exception cref="InvalidOperationException">A parameter or buffer of the module has another optimiser already.</exception>
    public SharpnessAwareOptimizer(nn.Module module, SharpnessAwareMethod method, BaseOptimizer baseOptimizer,
        ClassificationLoss? loss = null, IReadOnlyList<ParameterGroup>? groups = null)
        : this(module, method, loss, groups,
            FlatRule.Of(baseOptimizer ?? throw new ArgumentNullException(nameof(baseOptimizer))))
    {
    }

    /// <summary>Makes an optimiser for a module on top of one of TorchSharp's.</summary>
    /// <param name="module">The network, with parameters of one type (float32 or float64) on one device.</param>
    /// <param name="method">What a step minimises.</param>
    /// <param name="baseOptimizer">
    /// An optimiser of the module's parameters, made by <c>torch.optim</c>. Its groups, its learning rates and a scheduler that was made
    /// for it work as always; <see cref="LearningRate"/> is that of its first group, and setting it sets all. It stays yours to dispose.
    /// </param>
    /// <param name="loss">The loss of a sample; null is cross entropy. CSAM's damping multiplies it.</param>
    /// <param name="groups">Parameters that climb differently from the others or are frozen; null where all are alike. Learning rates and
    /// weight decay are the base optimiser's to group.</param>
    /// <exception cref="ArgumentException">As for the other base optimisers, or a group has a learning rate factor or a weight
    /// decay.</exception>
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
        _module = module;
        _method = method;
        _loss = loss ?? new ClassificationLoss.CrossEntropy();
        Rho = method.Rho;
        Gamma = method.Gamma;
        _parameters = new FlatParameters(module, groups);
        try
        {
            _buffers = new FlatBuffers(module);
        }
        catch
        {
            _parameters.Dispose();
            throw;
        }
        _rule = createRule(_parameters);
        _savedWeights = _parameters.CreateState();
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
    /// The same of the gradient g̃ at w̃ in the latest step, before SSAM rescales it; not a number where there was no second pass. While
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
    /// Every process makes its steps in the same number and order, each with at least one sample. Weights and running statistics of the
    /// first step are those of process 0. Batch normalisation normalises by the part of the mini-batch that a process has, unless <see
    /// cref="SynchronizeBatchNorm"/> is set.
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
    /// in each forward and each backward pass: outputs, gradients and running statistics are those of one process with the whole mini-batch.
    /// Default false: by those of each process. A climb must be shared then (<see cref="SharedAscent"/>), and be of the whole mini-batch.
    /// </summary>
    /// <remarks>Of BatchNorm1d, 2d and 3d with running statistics. From the first step until the optimiser is disposed, every pass of the
    /// module in training mode is one of all processes.</remarks>
    public bool SynchronizeBatchNorm { get; init; }

    /// <summary>The parameters and their vector, for averages of weights.</summary>
    internal FlatParameters Parameters => _disposed ? throw new ObjectDisposedException(GetType().FullName) : _parameters;

    /// <summary>The passes and the update, on the parts of a mini-batch.</summary>
    /// <param name="batch">The parts.</param>
    /// <param name="ascent">Whose gradient the climb is along.</param>
    /// <param name="share">Gives the samples that the gradient of the climb is taken of, where it is not all of them.</param>
    private double Step(MicroBatch[] batch, Ascent ascent, Func<MicroBatch[]>? share)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Gamma > 0 && Array.Exists(batch, part => !part.HasClasses))
        {
            throw new InvalidOperationException(
                "CSAM's damping (γ > 0) needs class probabilities, and a loss of your own gives none. Use a step with logits and labels, " +
                    "or a method without damping: SAM, SSAM or ASAM.");
        }
        if (SynchronizeBatchNorm && _exchange is not null)
            Synchronize(ascent);
        using DisposeScope scope = NewDisposeScope();
        using var noGradient = no_grad();
        double loss, norm, normThere = double.NaN;

        if (_isFirst)
            _exchange?.TakeFromFirst([_parameters.Weights, .. _buffers.Vectors]);
        _savedWeights.copy_(_parameters.Weights);
        Tensor[] savedBuffers = _buffers.Save();
        try
        {
            if (!Climbs || (_completedSteps + 1) % _method.Period != 0)
                (loss, norm, _) = Pass(batch, gamma: 0);
            else if (Rho == 0 && !(_method.Renormalize && Gamma > 0))
                (loss, norm, _) = Pass(batch, Gamma);                                   // L(w), g = ∇L_γ(w)
            else if (ascent == Ascent.PerMicroBatch)
                (loss, norm, normThere) = ClimbWithEach([.. batch.Select(part => new[] { part })]);
            else if (_exchange is not null && !SharedAscent)
                (loss, norm, normThere) = ClimbWithEach([batch], share?.Invoke());
            else
                (loss, norm, normThere) = ClimbOnce(batch, share?.Invoke());
            if (_method.Renormalize && !double.IsNaN(normThere))
                Scale(norm / (normThere + Epsilon), loss, norm);                        // (‖g‖/(‖g̃‖ + ε)) g̃
            if (_buffers.MayChange)
                _exchange?.Average(_buffers);
        }
        catch
        {
            _parameters.Weights.copy_(_savedWeights);
            _buffers.Restore(savedBuffers);
            throw;
        }

        (GradientNorm, PerturbedGradientNorm) = (norm, normThere);
        if (MaxGradientNorm is { } maximum)
            Clip(_parameters.Gradient, maximum);
        _completedSteps++;
        _isFirst = false;
        _rule.Apply();
        return loss;
    }

    private void Synchronize(Ascent ascent)
    {
        bool climbsAlone = Rho > 0 && (!SharedAscent || ascent == Ascent.PerMicroBatch);
        if (climbsAlone || _method.AscentShare < 1)
        {
            throw new InvalidOperationException(
                "Batch norm that is synchronised normalises by the mini-batch of all processes, so that none can climb on its own, or by a " +
                "share of the mini-batch: set SharedAscent and leave AscentShare 1, or do without SynchronizeBatchNorm.");
        }
        _synchronized ??= new(_module, ProcessGroup!);
    }

    /// <summary>g at w, a climb along it, and g̃ there; leaves w as it was.</summary>
    /// <param name="batch">The parts.</param>
    /// <param name="share">The samples that g is taken of; null for all.</param>
    /// <param name="keep">Keeps g, of a climb that is one of several; null for the only one.</param>
    private (double Loss, double Norm, double NormThere) ClimbOnce(MicroBatch[] batch, MicroBatch[]? share, Action? keep = null)
    {
        RepeatedRandomness? randomness = RepeatsRandomness ? new(_parameters.Device) : null;
        bool alone = keep is not null;
        if (share is not null && _buffers.MayChange)
            Array.ForEach(batch, part => part.Forward());           // running statistics are those of the whole mini-batch at w
        Tensor[]? ofWholeBatch = share is null ? null : _buffers.Save();
        (double loss, double norm, double climbNorm) = Pass(share ?? batch, gamma: 0, alone);   // L(w), g = ∇L(w)
        Tensor[] buffers = ofWholeBatch ?? _buffers.Save();
        keep?.Invoke();
        Climb(loss, climbNorm);                                                                 // w̃ = w + ρ g/(‖g‖ + ε)
        (_, double normThere, _) = randomness is null                                           // g̃ = ∇L_γ(w̃)
            ? Pass(batch, Gamma, alone)
            : randomness.Repeat(() => Pass(batch, Gamma, alone));
        _parameters.Weights.copy_(_savedWeights);
        _buffers.Restore(buffers);
        return (loss, norm, normThere);
    }

    /// <summary>The same for each part by itself, also for those of other processes; g and g̃ are the averages.</summary>
    private (double Loss, double Norm, double NormThere) ClimbWithEach(MicroBatch[][] parts, MicroBatch[]? share = null)
    {
        Tensor g = _parameters.Gradient;
        Tensor sum = zeros_like(g), sumThere = zeros_like(g);
        bool[] hasGradient = new bool[_parameters.Members.Count];
        double total = parts.Sum(WeightOf), meanLoss = 0;
        foreach (MicroBatch[] part in parts)
        {
            double weight = WeightOf(part) / total;
            using Scalar held = weight.ToScalar();
            (double loss, _, _) = ClimbOnce(part, share, keep: () => sum.add_(g, held));
            sumThere.add_(g, held);
            for (int i = 0; i < hasGradient.Length; i++)
                hasGradient[i] |= _parameters.Members[i].HasGradient;
            meanLoss += loss * weight;
        }
        for (int i = 0; i < hasGradient.Length; i++)
            _parameters.Members[i].HasGradient = hasGradient[i];
        g.copy_(sumThere);
        if (_exchange is not null)
            return OfAll();
        return (meanLoss, Number(NormOf(sum)), Number(NormOf(g)));

        (double Loss, double Norm, double NormThere) OfAll()
        {
            double loss = _method.Renormalize ? _exchange.Mean(meanLoss, total, g, sum) : _exchange.Mean(meanLoss, total, g);
            double norm = _method.Renormalize ? Number(NormOf(sum)) : double.NaN, normThere = Number(NormOf(g));
            return double.IsFinite(loss) && double.IsFinite(normThere)
                ? (loss, norm, normThere)
                : throw new TrainingDivergedException(_completedSteps + 1, LearningRate, loss, normThere);
        }

        static double Number(Tensor tensor) => tensor.to(float64).item<double>();
    }

    /// <summary>
    /// One forward and backward pass of all parts, also of those of other processes, at the present weights: leaves the gradient of the
    /// loss damped by γ in G, and returns the undamped mean loss, the gradient's norm, ‖g‖ or for an adaptive method ‖|w|g‖, and the norm
    /// of the part that climbs.
    /// </summary>
    /// <param name="batch">The parts; there may be none where other processes have some.</param>
    /// <param name="gamma">CSAM's γ.</param>
    /// <param name="alone">Leaves other processes out. What is not finite is theirs to know of, too, and no error yet.</param>
    private (double Loss, double Norm, double ClimbNorm) Pass(MicroBatch[] batch, double gamma, bool alone = false)
    {
        using DisposeScope scope = NewDisposeScope();
        _parameters.PrepareGradient();
        double total = WeightOf(batch);
        _synchronized?.Begin(total);
        Tensor[] losses = [.. batch.Select(part => PassOf(part, part.Weight / total, gamma))];
        if (batch.Length > 0)
            _parameters.CompleteGradient();
        else
            _parameters.Gradient.zero_();

        Tensor loss = losses.Length == 1 ? losses[0] : losses.Length == 0 ? zeros([], float64) : stack(losses).sum();
        if (_exchange is not null && !alone)
            loss = tensor(_exchange.Mean(loss.item<double>(), total, _parameters.Gradient), device: _parameters.Device);
        Tensor norm = NormOf(_parameters.Gradient), climbNorm = ClimbNorm() ?? norm;
        // The numbers come to the host together: on a GPU a pass waits once.
        double[] numbers = [.. stack([loss, norm.to(float64), climbNorm.to(float64)]).cpu().data<double>()];
        if (!(double.IsFinite(numbers[0]) && double.IsFinite(numbers[1])) && (_exchange is null || !alone))
            throw new TrainingDivergedException(_completedSteps + 1, LearningRate, numbers[0], numbers[1]);
        return (numbers[0], numbers[1], numbers[2]);
    }

    private static double WeightOf(MicroBatch[] batch) => batch.Sum(part => part.Weight);

    /// <summary>Adds a part's share of the gradient to G, and returns its share of the loss.</summary>
    private Tensor PassOf(MicroBatch part, double weight, double gamma)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor loss, objective;
        using (enable_grad())
        {
            (loss, objective) = part.Evaluate(_loss, gamma, _isFirst);
            if (loss.device_type != _parameters.Device.type)
            {
                throw new ArgumentException(
                    $"The loss is on {loss.device} but the module's parameters are on {_parameters.Device}.", nameof(part));
            }
            _parameters.ExpectNoGradient();
            using Scalar share = weight.ToScalar();
            (weight == 1 ? objective : objective * share).backward();
        }
        _synchronized?.Check();
        _parameters.CollectGradient();
        using Scalar ofLoss = weight.ToScalar();
        return scope.MoveToOuter(loss.detach().to(float64) * ofLoss);
    }

    private Tensor NormOf(Tensor g) => (_method.Adaptive ? _parameters.Weights.mul(g) : g).norm();

    /// <summary>The norm of what climbs; null where everything does.</summary>
    private Tensor? ClimbNorm()
    {
        if (_parameters.Members.All(member => member.RhoFactor > 0))
            return null;
        Tensor g = _method.Adaptive ? _parameters.Weights.mul(_parameters.Gradient) : _parameters.Gradient;
        Tensor[] norms = [.. _parameters.Runs<int>(member => member.RhoFactor > 0 ? 1 : null)
            .Select(run => g.narrow(0, run.Start, run.Length).norm())];
        return norms.Length == 0 ? zeros_like(g.narrow(0, 0, 1)).sum() : stack(norms).norm();
    }

    /// <summary>
    /// w̃ = w + scale·g, or w + scale·w²g for an adaptive method; the scale is ρ/(norm + ε), or ρ where the ascent is not normalised.
    /// </summary>
    private void Climb(double loss, double norm)
    {
        double rho = Rho * _method.Period, scale = _method.NormalizeAscent ? rho / (norm + Epsilon) : rho;
        if (double.IsNaN(scale) && _exchange is not null)
            scale = 0;          // g is not finite, of this process alone: neither is what it gives to the others
        if (_parameters.Members.All(member => member.RhoFactor == 1))
        {
            Climb(_parameters.Weights, _parameters.Gradient, scale);
            return;
        }
        foreach ((long start, long length, double factor) in
            _parameters.Runs<double>(member => member.RhoFactor > 0 ? member.RhoFactor : null))
            Climb(_parameters.Weights.narrow(0, start, length), _parameters.Gradient.narrow(0, start, length), scale * factor);

        void Climb(Tensor w, Tensor g, double scale)
        {
            using Scalar held = Representable(scale, loss, norm).ToScalar();
            if (_method.Adaptive)
                w.addcmul_(w.mul(w), g, held);
            else
                w.add_(g, held);
        }
    }

    private void Scale(double factor, double loss, double norm)
    {
        using Scalar held = Representable(factor, loss, norm).ToScalar();
        _parameters.Gradient.mul_(held);
    }

    /// <summary>A number that float32 tensors can be multiplied by; where it is too large, training has diverged.</summary>
    private double Representable(double number, double loss, double norm) =>
        Math.Abs(number) <= float.MaxValue
            ? number
            : throw new TrainingDivergedException(_completedSteps + 1, LearningRate, loss, norm);

    /// <summary>As PyTorch's clip_grad_norm_, on the device.</summary>
    private static void Clip(Tensor g, double maximum)
    {
        using Scalar epsilon = 1e-6.ToScalar(), length = maximum.ToScalar();
        g.mul_(g.norm().Plus(epsilon).reciprocal().mul(length).clamp_max(FixedScalars.One));
    }

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

    /// <summary>Averages running statistics over the processes of the group, by weights of theirs.</summary>
    internal void ShareStatistics(double weight)
    {
        using var noGradient = no_grad();
        _exchange?.Average(_buffers, weight);
    }

    /// <summary>Frees the optimiser's tensors. The module keeps its weights and continues to work.</summary>
    public void Dispose()
    {
        _disposed = true;
        _synchronized?.Dispose();
        _savedWeights.Dispose();
        _rule.Dispose();
        _buffers.Dispose();
        _parameters.Dispose();
    }
}
