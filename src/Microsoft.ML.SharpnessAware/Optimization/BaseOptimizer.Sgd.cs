using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

public abstract partial record BaseOptimizer
{
    /// <summary>Stochastic gradient descent with momentum, as in PyTorch: no dampening, weight decay added to the gradient.</summary>
    /// <param name="LearningRate">Learning rate η ≥ 0. For a network with batch normalisation and batches of 128, 0.1 is usual.</param>
    /// <param name="Momentum">Momentum μ in [0, 1). Default 0.9.</param>
    /// <param name="WeightDecay">Weight decay λ ≥ 0. Default 5·10⁻⁴, usual for small images.</param>
    /// <param name="Nesterov">Whether momentum looks ahead (Nesterov). Default false. Without momentum it changes nothing.</param>
    public sealed record Sgd(double LearningRate, double Momentum = 0.9, double WeightDecay = 5e-4, bool Nesterov = false) : BaseOptimizer
    {
        /// <inheritdoc/>
        public override double LearningRate { get; init => field = Require.NonNegativeFloat(value, nameof(LearningRate)); } =
            Require.NonNegativeFloat(LearningRate, nameof(LearningRate));

        /// <summary>Momentum μ in [0, 1). Default: 0.9.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 1).</exception>
        public double Momentum { get; init => field = Require.BelowOne(value, nameof(Momentum)); } =
            Require.BelowOne(Momentum, nameof(Momentum));

        /// <summary>Weight decay λ ≥ 0, added to the gradient as λw. Default: 5·10⁻⁴.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is negative, not a number, or beyond the largest float.</exception>
        public double WeightDecay { get; init => field = Require.NonNegativeFloat(value, nameof(WeightDecay)); } =
            Require.NonNegativeFloat(WeightDecay, nameof(WeightDecay));

        /// <inheritdoc/>
        protected internal override string RuleName => "SGD";

        /// <inheritdoc/>
        protected internal override int StateCount => Momentum > 0 ? 1 : 0;

        /// <inheritdoc/>
        protected internal override double DefaultWeightDecay => WeightDecay;

        /// <summary>g ← g + λw; m ← μm + g; w ← w − ηm, or with Nesterov w ← w − η(g + μm).</summary>
        protected internal override void Update(ParameterUpdate update)
        {
            (Tensor w, Tensor g) = (update.Weights, update.Gradient);
            using Scalar minusLearningRate = Held(-update.LearningRate), momentum = Held(Momentum), decay = Held(update.WeightDecay);
            if (update.WeightDecay > 0)
                g.add_(w, decay);
            if (update.State is not [Tensor m])
            {
                w.add_(g, minusLearningRate);
                return;
            }

            m.mul_(momentum).add_(g, FixedScalars.One);
            Tensor direction = Nesterov ? g.add_(m, momentum) : m;
            w.add_(direction, minusLearningRate);
        }
    }
}
