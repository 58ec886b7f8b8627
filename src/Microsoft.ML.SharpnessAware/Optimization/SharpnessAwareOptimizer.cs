using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Trains any TorchSharp module on class labels with SAM and its relatives (<see cref="SharpnessAwareMethod"/>) on top of SGD or AdamW.
/// </summary>
/// <remarks>
/// <para>
/// The optimiser makes all trainable parameters views of one vector, so convert, move and load the module, and choose which parameters
/// require a gradient, before making it; a module has one optimiser at a time. It looks after gradients itself: no <c>zero_grad</c> and no
/// <c>backward</c>. The module's mode (<c>train</c>, <c>eval</c>) is left as it is.
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
    private readonly ParameterUpdate _update;
    private readonly Tensor _savedWeights;
    private IReadOnlyList<(long Start, long Length)> _scaledRanges = [];
    private double _learningRateFactor = 1;
    private long _completedSteps;
    private bool _disposed;

    /// <summary>Makes an optimiser for a module.</summary>
    /// <param name="module">The network, with parameters of one type (float32 or float64) on one device.</param>
    /// <param name="method">What a step minimises.</param>
    /// <param name="baseOptimizer">How a gradient changes the weights.</param>
    /// <param name="loss">The loss of a sample; null is cross entropy. CSAM's damping multiplies it.</param>
    /// <exception cref="ArgumentException">
    /// The module has no trainable parameters, or has some of another type or on several devices; the message names the parameter.
    /// </exception>
    public SharpnessAwareOptimizer(
        nn.Module module, SharpnessAwareMethod method, BaseOptimizer baseOptimizer, ClassificationLoss? loss = null)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(method);
        ArgumentNullException.ThrowIfNull(baseOptimizer);
        _method = method;
        _loss = loss ?? new ClassificationLoss.CrossEntropy();
        LearningRate = baseOptimizer.LearningRate;
        Rho = method.Rho;
        Gamma = method.Gamma;
        _parameters = new FlatParameters(module);
        _buffers = new FlatBuffers(module);
        _update = baseOptimizer.CreateUpdate(_parameters);
        _savedWeights = _parameters.CreateState();
    }

    /// <summary>Learning rate η of the next step, at least 0. At first the base optimiser's.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, infinite or not a number.</exception>
    public double LearningRate { get; set => field = Require.NonNegative(value, nameof(LearningRate)); }

    /// <summary>Radius ρ of the next step's climb, at least 0. At first the method's.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, infinite or not a number.</exception>
    public double Rho { get; set => field = Require.NonNegative(value, nameof(Rho)); }

    /// <summary>CSAM's γ of the next step, in [0, 2]. At first the method's. A setting, which <see cref="Save"/> does not write.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 2].</exception>
    public double Gamma { get; set => field = Require.Within(value, 0, 2, nameof(Gamma)); }

    /// <summary>
    /// Norm of the gradient at w in the latest step, ‖g‖ or for an adaptive method ‖|w|g‖; not a number before the first step.
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
    /// <exception cref="ArgumentOutOfRangeException">The value is not above 0, is infinite or not a number.</exception>
    public double? MaxGradientNorm
    {
        get;
        set => field = value is { } norm ? Require.Positive(norm, nameof(MaxGradientNorm)) : null;
    }

    /// <summary>
    /// Whether the second pass gets the random numbers of the first, so that both see the same dropout mask. Default true. False leaves
    /// torch's generators alone, which is as good where no layer draws random numbers.
    /// </summary>
    public bool RepeatsRandomness { get; init; } = true;

    /// <summary>Trains on one mini-batch: both passes and the update.</summary>
    /// <param name="logits">
    /// A forward pass of the module on the mini-batch, giving unnormalised scores of shape [batch, classes]. It is called once for each
    /// pass, must compute afresh each time, and tensors that it creates are disposed after the pass.
    /// </param>
    /// <param name="labels">Zero-based classes, int64, shape [batch], on the device of the logits.</param>
    /// <returns>The mean loss, without CSAM's damping, of the first pass: at the weights before the step.</returns>
    /// <exception cref="ArgumentException">
    /// The labels are not int64, not of shape [batch], on another device or (checked on the CPU) out of range; or the logits are not a
    /// [batch, classes] tensor of floating-point numbers.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The logits do not depend on the parameters, or the module's parameters were replaced.
    /// </exception>
    /// <exception cref="TrainingDivergedException">The loss or its gradient is infinite or not a number in one of the passes.</exception>
    public double Step(Func<Tensor> logits, Tensor labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        return Step(logits, new BatchLabels(labels));
    }

    /// <summary>
    /// Trains on one mini-batch of mixed samples (mixup, CutMix), whose loss is λ ℓ(y₁) + (1 − λ) ℓ(y₂).
    /// </summary>
    /// <param name="logits">As for a step with one label a sample.</param>
    /// <param name="labels">The first label y₁ of each sample, int64, shape [batch], on the device of the logits.</param>
    /// <param name="otherLabels">The second label y₂ of each sample, likewise.</param>
    /// <param name="share">λ, the share of the first label, in [0, 1], floating point, shape [batch], on the device of the logits.</param>
    /// <returns>
    /// The mean of the mixed losses, without CSAM's damping, of the first pass. Unless all λ are 0 or 1 it cannot reach 0.
    /// </returns>
    /// <remarks>
    /// CSAM damps each of the two terms by the probability of its own label: λ f(p₁) ℓ(y₁) + (1 − λ) f(p₂) ℓ(y₂). At most one of the two
    /// probabilities is above ½, so at most one term is damped; and where λ is 1, or both labels are the same, it is the loss of one label.
    /// </remarks>
    /// <inheritdoc cref="Step(Func{Tensor}, Tensor)" path="/exception"/>
    public double Step(Func<Tensor> logits, Tensor labels, Tensor otherLabels, Tensor share)
    {
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentNullException.ThrowIfNull(otherLabels);
        ArgumentNullException.ThrowIfNull(share);
        return Step(logits, new BatchLabels(labels, otherLabels, share));
    }

    private double Step(Func<Tensor> logits, BatchLabels labels)
    {
        ArgumentNullException.ThrowIfNull(logits);
        ObjectDisposedException.ThrowIf(_disposed, this);
        using DisposeScope scope = NewDisposeScope();
        using var noGradient = no_grad();
        Tensor w = _parameters.Weights, g = _parameters.Gradient;
        double loss, norm, normThere = double.NaN;

        _savedWeights.copy_(w);
        Tensor[] savedBuffers = _buffers.Save();
        try
        {
            if (Rho == 0 && !(_method.Renormalize && Gamma > 0))
            {
                (loss, norm) = Pass(logits, labels, Gamma);                         // L(w), g = ∇L_γ(w)
            }
            else
            {
                RepeatedRandomness? randomness = RepeatsRandomness ? new(_parameters.Device) : null;
                (loss, norm) = Pass(logits, labels, gamma: 0);                      // L(w), g = ∇L(w)
                Tensor[] buffersAfterFirstPass = _buffers.Save();
                Climb(norm);                                                        // w̃ = w + ρ g/(‖g‖ + ε)
                (_, normThere) = randomness is null                                 // g̃ = ∇L_γ(w̃)
                    ? Pass(logits, labels, Gamma)
                    : randomness.Repeat(() => Pass(logits, labels, Gamma));
                w.copy_(_savedWeights);
                _buffers.Restore(buffersAfterFirstPass);
                if (_method.Renormalize)
                    Scale(g, norm / (normThere + Epsilon));                         // (‖g‖/(‖g̃‖ + ε)) g̃
            }
        }
        catch
        {
            w.copy_(_savedWeights);
            _buffers.Restore(savedBuffers);
            throw;
        }

        (GradientNorm, PerturbedGradientNorm) = (norm, normThere);
        if (MaxGradientNorm is { } maximum)
            Clip(g, maximum);
        _update.Apply(LearningRate, ++_completedSteps);
        foreach ((long start, long length) in _scaledRanges)
            ScaleChange(w.narrow(0, start, length), _savedWeights.narrow(0, start, length), _learningRateFactor);
        return loss;
    }

    /// <summary>
    /// From now on the learning rate of the named parameters is <see cref="LearningRate"/> times a factor; with factor 1 nothing is
    /// computed differently. The climb is not scaled. Like the method it is a setting, which <see cref="Save"/> does not write.
    /// </summary>
    internal void ScaleLearningRate(Func<string, bool> isNamed, double factor)
    {
        _learningRateFactor = Require.NonNegative(factor, nameof(factor));
        _scaledRanges = factor == 1 ? [] : _parameters.RangesOf(isNamed);
    }

    /// <summary>Frees the optimiser's tensors. The module keeps its weights and goes on working.</summary>
    public void Dispose()
    {
        _disposed = true;
        _savedWeights.Dispose();
        _update.Dispose();
        _buffers.Dispose();
        _parameters.Dispose();
    }

    /// <summary>
    /// One forward and backward pass at the present weights: leaves the gradient of the loss damped by γ in G, and returns the undamped
    /// mean loss and the gradient's norm, ‖g‖ or for an adaptive method ‖|w|g‖.
    /// </summary>
    private (double Loss, double Norm) Pass(Func<Tensor> forward, BatchLabels labels, double gamma)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor loss;
        using (enable_grad())
        {
            Tensor logits = forward();
            labels.Check(logits);
            Tensor[] perSample = Array.ConvertAll(labels.All, y => _loss.PerSample(logits, y));
            loss = labels.Mix(perSample).mean();
            Tensor objective = gamma == 0 ? loss : labels.Mix(
                [.. perSample.Zip(labels.All, (l, y) => l * CalibratedFactor.PerSample(logits, y, gamma))]).mean();
            _parameters.PrepareGradient();
            objective.backward();
        }

        Tensor w = _parameters.Weights, g = _parameters.Gradient;
        Tensor norm = _method.Adaptive ? w.mul(g).norm() : g.norm();
        // Both numbers come to the host together: on a GPU a pass waits once.
        Tensor pair = stack([loss.detach().to(float64), norm.to(float64)]).cpu();
        (double lossValue, double normValue) = (pair[0].item<double>(), pair[1].item<double>());

        if (!double.IsFinite(lossValue) || !double.IsFinite(normValue))
            throw new TrainingDivergedException(_completedSteps + 1, LearningRate, lossValue, normValue);
        if (normValue == 0)
            _parameters.CheckNotReplaced();
        return (lossValue, normValue);
    }

    /// <summary>
    /// w̃ = w + scale·g, or w + scale·w²g for an adaptive method; the scale is ρ/(norm + ε), or ρ where the ascent is not normalised.
    /// </summary>
    private void Climb(double norm)
    {
        Tensor w = _parameters.Weights, g = _parameters.Gradient;
        using Scalar scale = (_method.NormalizeAscent ? Rho / (norm + Epsilon) : Rho).ToScalar();
        if (_method.Adaptive)
            w.addcmul_(w.mul(w), g, scale);
        else
            w.add_(g, scale);
    }

    private static void Scale(Tensor g, double factor)
    {
        using Scalar scalar = factor.ToScalar();
        g.mul_(scalar);
    }

    /// <summary>
    /// w ← w₀ + factor·(w − w₀). SGD's and AdamW's changes, weight decay included, are proportional to the learning rate, so this is the
    /// update with a learning rate that many times as large.
    /// </summary>
    private static void ScaleChange(Tensor w, Tensor before, double factor)
    {
        using Scalar scalar = factor.ToScalar();
        w.sub_(before).mul_(scalar).add_(before, FixedScalars.One);
    }

    /// <summary>As PyTorch's clip_grad_norm_, on the device.</summary>
    private static void Clip(Tensor g, double maximum)
    {
        using Scalar epsilon = 1e-6.ToScalar(), length = maximum.ToScalar();
        g.mul_(g.norm().Plus(epsilon).reciprocal().mul(length).clamp_max(FixedScalars.One));
    }
}
