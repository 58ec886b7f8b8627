using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The labels of a mini-batch: one a sample or, for mixed samples (mixup, CutMix), two and the share of the first.</summary>
internal readonly record struct BatchLabels(Tensor First, Tensor? Second = null, Tensor? Share = null)
{
    /// <summary>Checks that logits and labels belong together.</summary>
    public void Check(Tensor logits)
    {
        ClassificationBatch.Check(logits, First);
        if (Second is null || Share is null)
            return;
        ClassificationBatch.Check(logits, Second);
        ClassificationBatch.CheckShare(logits, Share);
    }

    /// <summary>The first labels and, for mixed samples, the second ones.</summary>
    public Tensor[] All => Second is null ? [First] : [First, Second];

    /// <summary>
    /// From a value of each sample for each of <see cref="All"/>: that for its label or, for mixed samples, λ f(y₁) + (1 − λ) f(y₂).
    /// </summary>
    public Tensor Mix(IReadOnlyList<Tensor> values)
    {
        if (Share is null)
            return values[0];
        using DisposeScope scope = NewDisposeScope();
        return scope.MoveToOuter((Share * values[0]).Plus(FixedScalars.One.Minus(Share) * values[1]));
    }
}
