using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What a base optimiser's rule is given: parts of the flat vectors that have the same settings, to be changed in place.</summary>
/// <remarks>
/// All tensors are one-dimensional, of the same length, of the module's element type (float32 or float64) and on its device. A rule
/// works element by element, since a step is cut into parts in more than one way. It is called without gradient recording and inside a
/// dispose scope. A plain number beside a tensor (<c>g * 2</c>) makes a native Scalar that nobody holds; write <c>using Scalar</c>.
/// </remarks>
/// <param name="Weights">The weights w, to be changed.</param>
/// <param name="Gradient">The gradient g of the step, after rescaling and clipping. It may be overwritten.</param>
/// <param name="State">As many vectors as the optimiser's <c>StateCount</c>, zero before the first step (momentum, moments).</param>
/// <param name="LearningRate">η of this step and these parameters.</param>
/// <param name="WeightDecay">λ of these parameters, 0 where they do not decay.</param>
/// <param name="Step">The number of this step, from 1, counting only steps in which these parameters had a gradient, as torch does.</param>
public readonly record struct ParameterUpdate(
    Tensor Weights, Tensor Gradient, IReadOnlyList<Tensor> State, double LearningRate, double WeightDecay, long Step);
