using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A part of a mini-batch that fits into memory, as what computes its logits or loss; see
/// <see cref="SharpnessAwareOptimizer.Step(IEnumerable{MicroBatch}, Ascent)"/>.
/// </summary>
public sealed class MicroBatch
{
    private readonly Func<Tensor> _forward;
    private readonly Targets? _targets;

    /// <summary>A part with labels.</summary>
    /// <param name="logits">A forward pass of the module, as for a step.</param>
    /// <param name="labels">Its labels, as for a step: classes or probabilities. Each counts alike in the mean over the mini-batch.</param>
    public MicroBatch(Func<Tensor> logits, Tensor labels)
        : this(logits, new Targets(labels ?? throw new ArgumentNullException(nameof(labels))))
    {
    }

    /// <summary>A part whose loss is computed by a function of your own.</summary>
    /// <param name="loss">Computes the mean loss of the part, one number.</param>
    /// <param name="weight">What the part counts in the mean over the mini-batch, above 0: how many samples it has. Default 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="weight"/> is not above 0, infinite or not a number.</exception>
    public MicroBatch(Func<Tensor> loss, double weight = 1)
    {
        ArgumentNullException.ThrowIfNull(loss);
        _forward = loss;
        Weight = Require.Positive(weight, nameof(weight));
    }

    internal MicroBatch(Func<Tensor> logits, Targets targets)
    {
        ArgumentNullException.ThrowIfNull(logits);
        _forward = logits;
        _targets = targets;
        Weight = targets.Count;
    }

    /// <summary>What the part counts in the mean over the mini-batch.</summary>
    internal double Weight { get; }

    /// <summary>Whether there are class probabilities, which CSAM needs.</summary>
    internal bool HasClasses => _targets is not null;

    /// <summary>A forward pass alone, of which nothing stays.</summary>
    internal void Forward()
    {
        using DisposeScope scope = NewDisposeScope();
        _forward();
    }

    /// <summary>The mean loss, and the one damped by γ that is to be minimised.</summary>
    /// <param name="loss">The loss of a sample with labels.</param>
    /// <param name="gamma">CSAM's γ.</param>
    /// <param name="isFirst">Whether the network was never seen before, so that it is looked at more closely.</param>
    internal (Tensor Loss, Tensor Objective) Evaluate(ClassificationLoss loss, double gamma, bool isFirst)
    {
        if (_targets is null)
        {
            Tensor own = LogitChecks.CheckScalar(_forward());
            return (own, own);
        }

        Tensor logits = _forward();
        (Tensor Loss, Tensor Objective) result = _targets.Evaluate(logits, loss, gamma);
        if (isFirst && loss is (ClassificationLoss.CrossEntropy or ClassificationLoss.Focal))
            LogitChecks.CheckUnnormalised(logits);
        return result;
    }
}
