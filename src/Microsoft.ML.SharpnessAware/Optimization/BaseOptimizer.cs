using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The optimiser that turns a gradient into a change of the weights: <see cref="Sgd"/>, <see cref="AdamW"/>, <see cref="Adam"/>,
/// <see cref="Lion"/> or one of your own, as an immutable value.
/// </summary>
/// <remarks>
/// Derive from it to train with a rule of your own: it says how many numbers it keeps for each weight (<see cref="StateCount"/>), and
/// changes weights and state in place (<see cref="Update"/>). The optimiser keeps, saves and loads the state.
/// </remarks>
public abstract record BaseOptimizer
{
    /// <summary>
    /// Learning rate η at the start, at least 0; a schedule changes <see cref="SharpnessAwareOptimizer.LearningRate"/> later.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, not a number, or beyond the largest float.</exception>
    public abstract double LearningRate { get; init; }

    /// <summary>
    /// Whether weight decay acts on every parameter, as in PyTorch's optimisers. Default false: only on parameters of more than one
    /// dimension (the weights of convolutions and dense layers), because shrinking biases and the scales of normalisation layers does not
    /// regularise and usually costs accuracy.
    /// </summary>
    public bool DecayBiasAndNorm { get; init; }

    /// <summary>The rule's name in saved state, by which <see cref="SharpnessAwareOptimizer.Load"/> tells whose state it is.</summary>
    protected internal virtual string RuleName => GetType().FullName ?? GetType().Name;

    /// <summary>How many numbers the rule keeps for each weight between steps.</summary>
    protected internal abstract int StateCount { get; }

    /// <summary>Weight decay λ ≥ 0 where no parameter group says otherwise.</summary>
    protected internal virtual double DefaultWeightDecay => 0;

    /// <summary>Changes weights and state by one step.</summary>
    /// <param name="update">The weights, their gradient and state, and the numbers of this step.</param>
    protected internal abstract void Update(ParameterUpdate update);

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

    /// <summary>Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019), as in PyTorch.</summary>
    /// <param name="LearningRate">Learning rate η ≥ 0; 10⁻³ is usual, less for transformers.</param>
    /// <param name="Beta1">Decay β₁ in [0, 1) of the mean of gradients. Default 0.9.</param>
    /// <param name="Beta2">Decay β₂ in [0, 1) of the mean of squared gradients. Default 0.999.</param>
    /// <param name="Epsilon">Number above 0 that is added to the denominator. Default 10⁻⁸.</param>
    /// <param name="WeightDecay">Weight decay λ ≥ 0. Default 0.01.</param>
    public sealed record AdamW(
        double LearningRate, double Beta1 = 0.9, double Beta2 = 0.999, double Epsilon = 1e-8, double WeightDecay = 0.01) : BaseOptimizer
    {
        /// <inheritdoc/>
        public override double LearningRate { get; init => field = Require.NonNegativeFloat(value, nameof(LearningRate)); } =
            Require.NonNegativeFloat(LearningRate, nameof(LearningRate));

        /// <summary>Decay β₁ in [0, 1) of the mean of gradients. Default: 0.9.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 1).</exception>
        public double Beta1 { get; init => field = Require.BelowOne(value, nameof(Beta1)); } = Require.BelowOne(Beta1, nameof(Beta1));

        /// <summary>Decay β₂ in [0, 1) of the mean of squared gradients. Default: 0.999.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 1).</exception>
        public double Beta2 { get; init => field = Require.BelowOne(value, nameof(Beta2)); } = Require.BelowOne(Beta2, nameof(Beta2));

        /// <summary>Number above 0 that is added to the denominator. Default: 10⁻⁸.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not above 0 as a float, not a number, or beyond the largest
        /// float.</exception>
        public double Epsilon { get; init => field = Require.PositiveFloat(value, nameof(Epsilon)); } =
            Require.PositiveFloat(Epsilon, nameof(Epsilon));

        /// <summary>Weight decay λ ≥ 0: each step first multiplies the weights by 1 − ηλ. Default: 0.01.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is negative, not a number, or beyond the largest float.</exception>
        public double WeightDecay { get; init => field = Require.NonNegativeFloat(value, nameof(WeightDecay)); } =
            Require.NonNegativeFloat(WeightDecay, nameof(WeightDecay));

        /// <inheritdoc/>
        protected internal override string RuleName => "AdamW";

        /// <inheritdoc/>
        protected internal override int StateCount => 2;

        /// <inheritdoc/>
        protected internal override double DefaultWeightDecay => WeightDecay;

        /// <summary>w ← (1 − ηλ)w, then Adam's step.</summary>
        protected internal override void Update(ParameterUpdate update)
        {
            using Scalar keep = Held(1 - (update.LearningRate * update.WeightDecay));
            if (update.WeightDecay > 0)
                update.Weights.mul_(keep);
            AdamStep(update, Beta1, Beta2, Epsilon);
        }
    }

    /// <summary>
    /// Adam (Kingma and Ba, ICLR 2015), as in PyTorch: weight decay, where there is some, is added to the gradient as λw. Where weights
    /// shall decay, <see cref="AdamW"/> is the better choice.
    /// </summary>
    /// <param name="LearningRate">Learning rate η ≥ 0; 10⁻³ is usual.</param>
    /// <param name="Beta1">Decay β₁ in [0, 1) of the mean of gradients. Default 0.9.</param>
    /// <param name="Beta2">Decay β₂ in [0, 1) of the mean of squared gradients. Default 0.999.</param>
    /// <param name="Epsilon">Number above 0 that is added to the denominator. Default 10⁻⁸.</param>
    /// <param name="WeightDecay">Weight decay λ ≥ 0. Default 0.</param>
    public sealed record Adam(
        double LearningRate, double Beta1 = 0.9, double Beta2 = 0.999, double Epsilon = 1e-8, double WeightDecay = 0) : BaseOptimizer
    {
        /// <inheritdoc/>
        public override double LearningRate { get; init => field = Require.NonNegativeFloat(value, nameof(LearningRate)); } =
            Require.NonNegativeFloat(LearningRate, nameof(LearningRate));

        /// <summary>Decay β₁ in [0, 1) of the mean of gradients. Default: 0.9.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 1).</exception>
        public double Beta1 { get; init => field = Require.BelowOne(value, nameof(Beta1)); } = Require.BelowOne(Beta1, nameof(Beta1));

        /// <summary>Decay β₂ in [0, 1) of the mean of squared gradients. Default: 0.999.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 1).</exception>
        public double Beta2 { get; init => field = Require.BelowOne(value, nameof(Beta2)); } = Require.BelowOne(Beta2, nameof(Beta2));

        /// <summary>Number above 0 that is added to the denominator. Default: 10⁻⁸.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not above 0 as a float, not a number, or beyond the largest
        /// float.</exception>
        public double Epsilon { get; init => field = Require.PositiveFloat(value, nameof(Epsilon)); } =
            Require.PositiveFloat(Epsilon, nameof(Epsilon));

        /// <summary>Weight decay λ ≥ 0, added to the gradient as λw. Default: 0.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is negative, not a number, or beyond the largest float.</exception>
        public double WeightDecay { get; init => field = Require.NonNegativeFloat(value, nameof(WeightDecay)); } =
            Require.NonNegativeFloat(WeightDecay, nameof(WeightDecay));

        /// <inheritdoc/>
        protected internal override string RuleName => "Adam";

        /// <inheritdoc/>
        protected internal override int StateCount => 2;

        /// <inheritdoc/>
        protected internal override double DefaultWeightDecay => WeightDecay;

        /// <summary>g ← g + λw, then Adam's step.</summary>
        protected internal override void Update(ParameterUpdate update)
        {
            using Scalar decay = Held(update.WeightDecay);
            if (update.WeightDecay > 0)
                update.Gradient.add_(update.Weights, decay);
            AdamStep(update, Beta1, Beta2, Epsilon);
        }
    }

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

    /// <summary>m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; w ← w − η m̂/(√v̂ + ε) with m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ).</summary>
    private static void AdamStep(ParameterUpdate update, double beta1, double beta2, double epsilon)
    {
        (Tensor w, Tensor g, Tensor mean, Tensor meanSquare) = (update.Weights, update.Gradient, update.State[0], update.State[1]);
        using Scalar keep1 = Held(beta1), newPart1 = Held(1 - beta1), keep2 = Held(beta2), newPart2 = Held(1 - beta2);
        using Scalar rootOfCorrection2 = Held(Math.Sqrt(1 - Math.Pow(beta2, update.Step))), added = Held(epsilon);
        using Scalar minusStepSize = Held(-update.LearningRate / (1 - Math.Pow(beta1, update.Step)));
        mean.mul_(keep1).add_(g, newPart1);
        meanSquare.mul_(keep2).addcmul_(g, g, newPart2);
        // From here on the gradient is not needed, so that its memory holds the denominator √v̂ + ε.
        Tensor denominator = g.copy_(meanSquare).sqrt_().div_(rootOfCorrection2).add_(added, FixedScalars.One);
        w.addcdiv_(mean, denominator, minusStepSize);
    }

    /// <summary>
    /// A Scalar to be disposed. Products of settings may lie beyond float32, where libtorch would throw in the middle of an update; the
    /// largest float leads to weights that are not finite, which the next pass reports.
    /// </summary>
    private static Scalar Held(double value) => Math.Clamp(value, -float.MaxValue, float.MaxValue).ToScalar();
}
