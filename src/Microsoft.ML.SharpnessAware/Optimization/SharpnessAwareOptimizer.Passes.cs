using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

public sealed partial class SharpnessAwareOptimizer
{
    private const double Epsilon = 1e-12;

    /// <summary>The passes and the update, on the parts of a mini-batch.</summary>
    /// <param name="batch">The parts.</param>
    /// <param name="ascent">Whose gradient the climb is along.</param>
    /// <param name="share">Gives the samples that the gradient of the climb is taken of; null, and where it gives null, for all.</param>
    private double Step(MicroBatch[] batch, Ascent ascent, Func<MicroBatch[]?>? share)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Climbs && Gamma > 0 && Array.Exists(batch, part => !part.HasClasses))
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
        else if (_synchronized is not null)
            _exchange?.TakeFromFirst(_buffers.Vectors);         // its sums are of differences from the running means
        _savedWeights.copy_(_parameters.Weights);
        _savedBuffers = _buffers.Save();
        try
        {
            if (!Climbs || (_completedSteps + 1) % _method.Period != 0)
                (loss, norm, _) = Pass(batch, gamma: 0, _buffers.Vectors);
            else if (Rho == 0 && !(_method.Renormalize && Gamma > 0))
                (loss, norm, _) = Pass(batch, Gamma, _buffers.Vectors);                 // L(w), g = ∇L_γ(w)
            else if (ascent == Ascent.PerMicroBatch && (batch.Length > 1 || _exchange is not null))
                (loss, norm, normThere) = ClimbWithEach([.. batch.Select(part => new[] { part })]);
            else if (_exchange is not null && !SharedAscent)
                (loss, norm, normThere) = ClimbWithEach([batch], share?.Invoke());
            else
                (loss, norm, normThere) = ClimbOnce(batch, share?.Invoke());
            if (_method.Renormalize && !double.IsNaN(normThere))
                Scale(norm / (normThere + Epsilon), loss, norm);                        // (‖g‖/(‖g̃‖ + ε)) g̃
            if (_buffers.MayChange)
                _exchange?.Average(_buffers, _savedBuffers);
            if (MaxGradientNorm is { } maximum)
                Clip(_parameters.Gradient, maximum);
            _rule.Apply();
        }
        catch
        {
            _parameters.Weights.copy_(_savedWeights);
            _buffers.Restore(_savedBuffers);
            throw;
        }

        (GradientNorm, PerturbedGradientNorm) = (norm, normThere);
        _completedSteps++;
        _isFirst = false;
        return loss;
    }

    private void Synchronize(Ascent ascent)
    {
        List<string> changes = [];
        if (Rho > 0 && !SharedAscent)
            changes.Add($"set {nameof(SharedAscent)}");
        if (Rho > 0 && ascent == Ascent.PerMicroBatch)
            changes.Add($"take {nameof(Ascent)}.{nameof(Ascent.WholeBatch)}");
        if (_method.AscentShare < 1)
            changes.Add($"leave {nameof(_method.AscentShare)} 1");
        if (changes.Count > 0)
        {
            throw new InvalidOperationException(
                "Batch norm that is synchronised normalises by the mini-batch of all processes, so that none can climb on its own, or by " +
                $"a part of the mini-batch: {string.Join(" and ", changes)}, or do without {nameof(SynchronizeBatchNorm)}.");
        }
        if (_synchronized is not null)
            return;
        _batchNorm.Dispose();
        _synchronized = new(_module, ProcessGroup!);
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
        (double loss, double norm, double climbNorm) =                                          // L(w), g = ∇L(w)
            Pass(share ?? batch, gamma: 0, ofWholeBatch ?? _buffers.Vectors, alone);
        Tensor[] buffers = ofWholeBatch ?? _buffers.Save();
        keep?.Invoke();
        Climb(loss, climbNorm);                                                                 // w̃ = w + ρ g/(‖g‖ + ε)
        (_, double normThere, _) = randomness is null                                           // g̃ = ∇L_γ(w̃)
            ? Pass(batch, Gamma, alone: alone)
            : randomness.Repeat(() => Pass(batch, Gamma, alone: alone));
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
    /// <param name="statistics">The running statistics that the step leaves; null for a pass at w̃, of which none stay.</param>
    /// <param name="alone">Leaves other processes out. What is not finite is theirs to know of, too, and no error yet.</param>
    private (double Loss, double Norm, double ClimbNorm) Pass(
        MicroBatch[] batch, double gamma, IReadOnlyList<Tensor>? statistics = null, bool alone = false)
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

        Tensor loss = losses.Length == 1 ? losses[0] : losses.Length > 0 ? stack(losses).sum()
            : zeros([], float64, _parameters.Device);
        if (_exchange is not null && !alone)
            loss = tensor(_exchange.Mean(loss.item<double>(), total, _parameters.Gradient), device: _parameters.Device);
        Tensor norm = NormOf(_parameters.Gradient), climbNorm = ClimbNorm() ?? norm;
        // The numbers come to the host together: on a GPU a pass waits once.
        Tensor hasNewNaN = statistics is not null && _buffers.MayChange
            ? FlatBuffers.HasNewNaN(_savedBuffers, statistics, _parameters.Device)
            : zeros_like(loss);
        double[] numbers = [.. stack([loss, norm.to(float64), climbNorm.to(float64), hasNewNaN]).cpu().data<double>()];
        if (!(double.IsFinite(numbers[0]) && double.IsFinite(numbers[1])) && (_exchange is null || !alone))
            throw new TrainingDivergedException(_completedSteps + 1, LearningRate, numbers[0], numbers[1]);
        if (numbers[3] > 0)
        {
            _buffers.Restore(statistics!);          // without those of a share of the mini-batch
            BatchStatistics.CheckVariances(_module);
        }
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
            _synchronized?.CheckForward();
            if (loss.device_type != _parameters.Device.type)
            {
                throw new ArgumentException(
                    $"The loss is on {loss.device} but the module's parameters are on {_parameters.Device}.", nameof(part));
            }
            _parameters.ExpectNoGradient();
            using Scalar share = weight.ToScalar();
            (weight == 1 ? objective : objective * share).backward();
        }
        _synchronized?.CheckBackward();
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
}
