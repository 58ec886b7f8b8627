using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

public abstract partial record BaseOptimizer
{
    /// <summary>
    /// Lion (Chen et al. 2023, "Symbolic discovery of optimization algorithms", algorithm 2): the sign of an average of gradients, with
    /// decoupled weight decay. It keeps half the state of Adam, and wants a third to a tenth of its learning rate and as many times its
    /// weight decay.
    /// </summary>
    /// <param name="LearningRate">Learning rate η ≥ 0; 10⁻⁴ is usual.</param>
    /// <param name="Beta1">Weight β₁ in [0, 1) of the average in the direction of the step. Default 0.9.</param>
    /// <param name="Beta2">Decay β₂ in [0, 1) of the average that is kept. Default 0.99.</param>
    /// <param name="WeightDecay">Weight decay λ ≥ 0. Default 0.1.</param>
    public sealed record Lion(double LearningRate, double Beta1 = 0.9, double Beta2 = 0.99, double WeightDecay = 0.1) : BaseOptimizer
    {
        /// <inheritdoc/>
        public override double LearningRate { get; init => field = Require.NonNegativeFloat(value, nameof(LearningRate)); } =
            Require.NonNegativeFloat(LearningRate, nameof(LearningRate));

        /// <summary>Weight β₁ in [0, 1) of the average in the direction of the step. Default: 0.9.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 1).</exception>
        public double Beta1 { get; init => field = Require.BelowOne(value, nameof(Beta1)); } = Require.BelowOne(Beta1, nameof(Beta1));

        /// <summary>Decay β₂ in [0, 1) of the average that is kept. Default: 0.99.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 1).</exception>
        public double Beta2 { get; init => field = Require.BelowOne(value, nameof(Beta2)); } = Require.BelowOne(Beta2, nameof(Beta2));

        /// <summary>Weight decay λ ≥ 0: each step first multiplies the weights by 1 − ηλ. Default: 0.1.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is negative, not a number, or beyond the largest float.</exception>
        public double WeightDecay { get; init => field = Require.NonNegativeFloat(value, nameof(WeightDecay)); } =
            Require.NonNegativeFloat(WeightDecay, nameof(WeightDecay));

        /// <inheritdoc/>
        protected internal override string RuleName => "Lion";

        /// <inheritdoc/>
        protected internal override int StateCount => 1;

        /// <inheritdoc/>
        protected internal override double DefaultWeightDecay => WeightDecay;

        /// <summary>w ← (1 − ηλ)w − η sign(β₁m + (1 − β₁)g); m ← β₂m + (1 − β₂)g.</summary>
        protected internal override void Update(ParameterUpdate update)
        {
            (Tensor w, Tensor g, Tensor m) = (update.Weights, update.Gradient, update.State[0]);
            using Scalar keep = Held(1 - (update.LearningRate * update.WeightDecay)), minusLearningRate = Held(-update.LearningRate);
            using Scalar beta1 = Held(Beta1), newPart1 = Held(1 - Beta1), beta2 = Held(Beta2), newPart2 = Held(1 - Beta2);
            if (update.WeightDecay > 0)
                w.mul_(keep);
            w.add_((m * beta1).add_(g, newPart1).sign_(), minusLearningRate);
            m.mul_(beta2).add_(g, newPart2);
        }
    }
}
