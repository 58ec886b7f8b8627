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

    /// <summary>
    /// The loss of each sample for each class that could be its true one, for labels that are probabilities: the sample's loss is the sum
    /// of these, weighted by the labels.
    /// </summary>
    /// <param name="logits">Unnormalised scores, floating point, shape [batch, classes].</param>
    /// <returns>A tensor of shape [batch, classes], differentiable with respect to <paramref name="logits"/>.</returns>
    /// <remarks>By default it calls <see cref="PerSample"/> once for each class. Override it where many classes make that slow.</remarks>
    public virtual Tensor PerClass(Tensor logits)
    {
        ArgumentNullException.ThrowIfNull(logits);
        using DisposeScope scope = NewDisposeScope();
        long batch = logits.shape[0], classes = logits.shape[1];
        Tensor labels = empty([batch], ScalarType.Int64, logits.device);
        var columns = new Tensor[classes];
        for (long k = 0; k < classes; k++)
        {
            using Scalar label = k.ToScalar();
            columns[k] = PerSample(logits, labels.fill_(label).clone());
        }
        return scope.MoveToOuter(stack(columns, 1));
    }

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

        /// <inheritdoc/>
        public override Tensor PerClass(Tensor logits)
        {
            ArgumentNullException.ThrowIfNull(logits);
            using DisposeScope scope = NewDisposeScope();
            Tensor losses = logits.log_softmax(1).neg();
            if (LabelSmoothing == 0)
                return scope.MoveToOuter(losses);
            using Scalar label = (1 - LabelSmoothing).ToScalar(), all = LabelSmoothing.ToScalar();
            return scope.MoveToOuter((losses * label).Plus(losses.mean([1], keepdim: true) * all));
        }
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
            return scope.MoveToOuter(Of(TrueClassLogProbability(logits, labels)));
        }

        /// <inheritdoc/>
        public override Tensor PerClass(Tensor logits)
        {
            ArgumentNullException.ThrowIfNull(logits);
            using DisposeScope scope = NewDisposeScope();
            return scope.MoveToOuter(Of(logits.log_softmax(1)));
        }

        private Tensor Of(Tensor logP)
        {
            using DisposeScope scope = NewDisposeScope();
            // The floor keeps the derivative of (1 − p)^γ finite for γ < 1 where p rounds to 1; there the gradient is 0 anyway.
            using Scalar floor = 1e-30.ToScalar(), gamma = Gamma.ToScalar();
            Tensor oneMinusP = logP.expm1().neg().clamp_min(floor);
            return scope.MoveToOuter(oneMinusP.pow(gamma) * -logP);
        }
    }
}
