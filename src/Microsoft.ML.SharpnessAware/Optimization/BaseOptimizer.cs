namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The optimiser that turns a gradient into a change of the weights: <see cref="Sgd"/> or <see cref="AdamW"/>, as an immutable value.
/// </summary>
public abstract record BaseOptimizer
{
    private protected BaseOptimizer()
    {
    }

    /// <summary>
    /// Learning rate η at the start, at least 0; a schedule changes <see cref="SharpnessAwareOptimizer.LearningRate"/> later.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, infinite or not a number.</exception>
    public abstract double LearningRate { get; init; }

    /// <summary>
    /// Whether weight decay acts on every parameter, as in PyTorch's optimisers. Default false: only on parameters of more than one
    /// dimension (the weights of convolutions and dense layers), because shrinking biases and the scales of normalisation layers does not
    /// regularise and usually costs accuracy.
    /// </summary>
    public bool DecayBiasAndNorm { get; init; }

    /// <summary>The update rule with its state, which starts at zero.</summary>
    internal abstract ParameterUpdate CreateUpdate(FlatParameters parameters);

    /// <summary>Stochastic gradient descent with momentum, as in PyTorch: no dampening, weight decay added to the gradient.</summary>
    /// <param name="LearningRate">Learning rate η ≥ 0. For a network with batch normalisation and batches of 128, 0.1 is usual.</param>
    /// <param name="Momentum">Momentum μ in [0, 1). Default 0.9.</param>
    /// <param name="WeightDecay">Weight decay λ ≥ 0. Default 5·10⁻⁴, usual for small images.</param>
    /// <param name="Nesterov">Whether momentum looks ahead (Nesterov). Default false. Without momentum it changes nothing.</param>
    public sealed record Sgd(double LearningRate, double Momentum = 0.9, double WeightDecay = 5e-4, bool Nesterov = false) : BaseOptimizer
    {
        /// <inheritdoc/>
        public override double LearningRate { get; init => field = Require.NonNegative(value, nameof(LearningRate)); } =
            Require.NonNegative(LearningRate, nameof(LearningRate));

        /// <summary>Momentum μ in [0, 1). Default: 0.9.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 1).</exception>
        public double Momentum { get; init => field = Require.BelowOne(value, nameof(Momentum)); } =
            Require.BelowOne(Momentum, nameof(Momentum));

        /// <summary>Weight decay λ ≥ 0, added to the gradient as λw. Default: 5·10⁻⁴.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is negative, infinite or not a number.</exception>
        public double WeightDecay { get; init => field = Require.NonNegative(value, nameof(WeightDecay)); } =
            Require.NonNegative(WeightDecay, nameof(WeightDecay));

        internal override ParameterUpdate CreateUpdate(FlatParameters parameters) => new SgdUpdate(this, parameters);
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
        public override double LearningRate { get; init => field = Require.NonNegative(value, nameof(LearningRate)); } =
            Require.NonNegative(LearningRate, nameof(LearningRate));

        /// <summary>Decay β₁ in [0, 1) of the mean of gradients. Default: 0.9.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 1).</exception>
        public double Beta1 { get; init => field = Require.BelowOne(value, nameof(Beta1)); } = Require.BelowOne(Beta1, nameof(Beta1));

        /// <summary>Decay β₂ in [0, 1) of the mean of squared gradients. Default: 0.999.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 1).</exception>
        public double Beta2 { get; init => field = Require.BelowOne(value, nameof(Beta2)); } = Require.BelowOne(Beta2, nameof(Beta2));

        /// <summary>Number above 0 that is added to the denominator. Default: 10⁻⁸.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is not above 0, is infinite or not a number.</exception>
        public double Epsilon { get; init => field = Require.Positive(value, nameof(Epsilon)); } =
            Require.Positive(Epsilon, nameof(Epsilon));

        /// <summary>Weight decay λ ≥ 0: each step first multiplies the weights by 1 − ηλ. Default: 0.01.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value is negative, infinite or not a number.</exception>
        public double WeightDecay { get; init => field = Require.NonNegative(value, nameof(WeightDecay)); } =
            Require.NonNegative(WeightDecay, nameof(WeightDecay));

        internal override ParameterUpdate CreateUpdate(FlatParameters parameters) => new AdamWUpdate(this, parameters);
    }
}
