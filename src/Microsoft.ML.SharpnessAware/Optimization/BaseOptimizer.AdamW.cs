using TorchSharp;

namespace Microsoft.ML.SharpnessAware;

public abstract partial record BaseOptimizer
{
    /// <summary>Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019), as in PyTorch.</summary>
    /// <param name="LearningRate">Learning rate η ≥ 0; 10⁻³ is usual, less for transformers.</param>
    /// <param name="Beta1">Decay β₁ in [0, 1) of the mean of gradients. Default 0.9.</param>
    /// <param name="Beta2">Decay β₂ in [0, 1) of the mean of squared gradients. Default 0.999.</param>
    /// <param name="Epsilon">Number above 0 that is added to the denominator. Default 10⁻⁸.</param>
    /// <param name="WeightDecay">Weight decay λ ≥ 0. Default 0.01.</param>
    public sealed record AdamW(
        double LearningRate, double Beta1 = 0.9, double Beta2 = 0.999, double Epsilon = 1e-8, double WeightDecay = 0.01)
        : AdamFamily(LearningRate, Beta1, Beta2, Epsilon, WeightDecay)
    {
        /// <inheritdoc/>
        protected internal override string RuleName => "AdamW";

        /// <summary>w ← (1 − ηλ)w, then Adam's step.</summary>
        protected internal override void Update(ParameterUpdate update)
        {
            using Scalar keep = Held(1 - (update.LearningRate * update.WeightDecay));
            if (update.WeightDecay > 0)
                update.Weights.mul_(keep);
            AdamStep(update);
        }
    }
}
