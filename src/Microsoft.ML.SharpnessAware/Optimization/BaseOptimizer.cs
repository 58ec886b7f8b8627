using TorchSharp;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The optimiser that turns a gradient into a change of the weights: <see cref="Sgd"/>, <see cref="AdamW"/>, <see cref="Adam"/>,
/// <see cref="Lion"/> or one of your own, as an immutable value.
/// </summary>
/// <remarks>
/// Derive from it to train with a rule of your own: it says how many numbers it keeps for each weight (<see cref="StateCount"/>), and
/// changes weights and state in place (<see cref="Update"/>). The optimiser keeps, saves and loads the state.
/// </remarks>
public abstract partial record BaseOptimizer
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

    /// <summary>
    /// A Scalar to be disposed. Products of settings may lie beyond float32, where libtorch would throw in the middle of an update; the
    /// largest float leads to weights that are not finite, which the next pass reports.
    /// </summary>
    private static Scalar Held(double value) => Math.Clamp(value, -float.MaxValue, float.MaxValue).ToScalar();
}
