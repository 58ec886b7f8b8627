using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

public abstract partial record BaseOptimizer
{
    /// <summary>What <see cref="AdamW"/> and <see cref="Adam"/> have in common: they differ in where weight decay acts.</summary>
    public abstract record AdamFamily : BaseOptimizer
    {
        private protected AdamFamily(double learningRate, double beta1, double beta2, double epsilon, double weightDecay)
        {
            LearningRate = learningRate;
            Beta1 = beta1;
            Beta2 = beta2;
            Epsilon = epsilon;
            WeightDecay = weightDecay;
        }

        /// <inheritdoc/>
        public override double LearningRate { get; init => field = Require.NonNegativeFloat(value, nameof(LearningRate)); }

        /// <summary>Decay β₁ in [0, 1) of the mean of gradients.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 1).</exception>
        public double Beta1 { get; init => field = Require.BelowOne(value, nameof(Beta1)); }

        /// <summary>Decay β₂ in [0, 1) of the mean of squared gradients.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 1).</exception>
        public double Beta2 { get; init => field = Require.BelowOne(value, nameof(Beta2)); }

        /// <summary>Number above 0 that is added to the denominator.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not above 0 as a float, not a number, or beyond the largest
        /// float.</exception>
        public double Epsilon { get; init => field = Require.PositiveFloat(value, nameof(Epsilon)); }

        /// <summary>Weight decay λ ≥ 0.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is negative, not a number, or beyond the largest float.</exception>
        public double WeightDecay { get; init => field = Require.NonNegativeFloat(value, nameof(WeightDecay)); }

        /// <inheritdoc/>
        protected internal override int StateCount => 2;

        /// <inheritdoc/>
        protected internal override double DefaultWeightDecay => WeightDecay;

        /// <summary>
        /// m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; w ← w − η m̂/(√v̂ + ε) with m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ).
        /// </summary>
        private protected void AdamStep(ParameterUpdate update)
        {
            (Tensor w, Tensor g, Tensor mean, Tensor meanSquare) = (update.Weights, update.Gradient, update.State[0], update.State[1]);
            using Scalar keep1 = Held(Beta1), newPart1 = Held(1 - Beta1), keep2 = Held(Beta2), newPart2 = Held(1 - Beta2);
            using Scalar rootOfCorrection2 = Held(Math.Sqrt(1 - Math.Pow(Beta2, update.Step))), added = Held(Epsilon);
            using Scalar minusStepSize = Held(-update.LearningRate / (1 - Math.Pow(Beta1, update.Step)));
            mean.mul_(keep1).add_(g, newPart1);
            meanSquare.mul_(keep2).addcmul_(g, g, newPart2);
            // From here on the gradient is not needed, so that its memory holds the denominator √v̂ + ε.
            Tensor denominator = g.copy_(meanSquare).sqrt_().div_(rootOfCorrection2).add_(added, FixedScalars.One);
            w.addcdiv_(mean, denominator, minusStepSize);
        }
    }
}
