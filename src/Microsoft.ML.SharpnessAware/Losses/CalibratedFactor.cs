using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The factor by which CSAM damps the loss of a confident sample: (1 + p)^(−γ) where the probability p of the true class is above ½,
/// else 1 (Tan et al. 2025, ICLR 2026).
/// </summary>
/// <remarks>
/// It multiplies the loss of each sample and is differentiated through p, so with cross entropy the sample's loss is
/// ℓ = −ln p if p ≤ ½, else −(1 + p)^(−γ) ln p.
/// </remarks>
internal static class CalibratedFactor
{
    /// <summary>The factor of each sample.</summary>
    /// <param name="logits">Unnormalised scores, shape [batch, classes].</param>
    /// <param name="labels">Zero-based classes, int64, shape [batch].</param>
    /// <param name="gamma">γ in [0, 2].</param>
    /// <returns>A tensor of shape [batch], differentiable with respect to <paramref name="logits"/>.</returns>
    public static Tensor PerSample(Tensor logits, Tensor labels, double gamma)
    {
        using DisposeScope scope = NewDisposeScope();
        return scope.MoveToOuter(Of(ClassificationLoss.TrueClassLogProbability(logits, labels).exp(), gamma));
    }

    /// <summary>The factor for each of the probabilities.</summary>
    public static Tensor Of(Tensor p, double gamma)
    {
        using DisposeScope scope = NewDisposeScope();
        using Scalar exponent = (-gamma).ToScalar();
        return scope.MoveToOuter(where(p > FixedScalars.Half, p.Plus(FixedScalars.One).pow(exponent), ones_like(p)));
    }
}
