using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// AdamW: w ← (1 − ηλ)w; m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; w ← w − η m̂/(√v̂ + ε) with m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ).
/// </summary>
internal sealed class AdamWUpdate(BaseOptimizer.AdamW settings, FlatParameters parameters) : ParameterUpdate
{
    private readonly Tensor _mean = parameters.CreateState();
    private readonly Tensor _meanSquare = parameters.CreateState();

    public override string Name => "AdamW";

    public override IReadOnlyList<Tensor> State => [_mean, _meanSquare];

    public override void Apply(double learningRate, long step)
    {
        Tensor w = parameters.Weights, g = parameters.Gradient;
        using Scalar keep = (1 - learningRate * settings.WeightDecay).ToScalar();
        using Scalar beta1 = settings.Beta1.ToScalar(), newPart1 = (1 - settings.Beta1).ToScalar();
        using Scalar beta2 = settings.Beta2.ToScalar(), newPart2 = (1 - settings.Beta2).ToScalar();
        using Scalar rootOfCorrection2 = Math.Sqrt(1 - Math.Pow(settings.Beta2, step)).ToScalar(), epsilon = settings.Epsilon.ToScalar();
        using Scalar minusStepSize = (-learningRate / (1 - Math.Pow(settings.Beta1, step))).ToScalar();

        if (settings.WeightDecay > 0)
            parameters.Decayed(w, settings).mul_(keep);

        _mean.mul_(beta1).add_(g, newPart1);
        _meanSquare.mul_(beta2).addcmul_(g, g, newPart2);
        // From here on the gradient is not needed, so that its memory holds the denominator √v̂ + ε.
        Tensor denominator = g.copy_(_meanSquare).sqrt_().div_(rootOfCorrection2).add_(epsilon, FixedScalars.One);
        w.addcdiv_(_mean, denominator, minusStepSize);
    }
}
