using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A loss on logits and class labels, one value per sample. Derive from it to train with a loss of your own.</summary>
public abstract record ClassificationLoss
{
    /// <summary>The loss of each sample; the training loss is its mean over the mini-batch.</summary>
    /// <param name="logits">Unnormalised scores, floating point, shape [batch, classes].</param>
    /// <param name="labels">Zero-based classes, int64, shape [batch].</param>
    /// <returns>A tensor of shape [batch], differentiable with respect to <paramref name="logits"/>.</returns>
    public abstract Tensor PerSample(Tensor logits, Tensor labels);

    /// <summary>ln p of each sample's true class, from log-softmax so that it stays finite where p rounds to 0 or 1.</summary>
    internal static Tensor TrueClassLogProbability(Tensor logits, Tensor labels) =>
        logits.log_softmax(1).gather(1, labels.unsqueeze(1)).squeeze(1);

    /// <summary>Cross entropy, −ln p of the true class: a proper scoring rule, lowest when the probabilities are right.</summary>
    /// <param name="LabelSmoothing">
    /// Part ε in [0, 1) of the target that is spread evenly over all classes (Szegedy et al. 2016). Default 0: smoothing makes
    /// probabilities less confident by a fixed amount, calibrated or not.
    /// </param>
    public sealed record CrossEntropy(double LabelSmoothing = 0) : ClassificationLoss
    {
        /// <summary>Part ε in [0, 1) of the target that is spread evenly over all classes. Default: 0.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 1).</exception>
        public double LabelSmoothing { get; init => field = Require.BelowOne(value, nameof(LabelSmoothing)); } =
            Require.BelowOne(LabelSmoothing, nameof(LabelSmoothing));

        // libtorch drops samples whose label is ignore_index, by default -100; a wrong label must not vanish, so that no label is ignored.
        /// <inheritdoc/>
        public override Tensor PerSample(Tensor logits, Tensor labels) => nn.functional.cross_entropy(
            logits, labels, ignore_index: long.MinValue, reduction: nn.Reduction.None, label_smoothing: LabelSmoothing);
    }

    /// <summary>
    /// Focal loss, −(1 − p)^γ ln p of the true class (Lin et al. 2017): samples that are already right count less.
    /// </summary>
    /// <param name="Gamma">Focusing parameter γ ≥ 0; 0 is cross entropy. Default 2, as in the paper.</param>
    public sealed record Focal(double Gamma = 2) : ClassificationLoss
    {
        /// <summary>Focusing parameter γ ≥ 0; 0 is cross entropy. Default: 2.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is negative, infinite or not a number.</exception>
        public double Gamma { get; init => field = Require.NonNegative(value, nameof(Gamma)); } = Require.NonNegative(Gamma, nameof(Gamma));

        /// <inheritdoc/>
        public override Tensor PerSample(Tensor logits, Tensor labels)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor logP = TrueClassLogProbability(logits, labels);
            // The floor keeps the derivative of (1 − p)^γ finite for γ < 1 where p rounds to 1; there the gradient is 0 anyway.
            using Scalar floor = 1e-30.ToScalar(), gamma = Gamma.ToScalar();
            Tensor oneMinusP = logP.expm1().neg().clamp_min(floor);
            return scope.MoveToOuter(oneMinusP.pow(gamma) * -logP);
        }
    }
}
