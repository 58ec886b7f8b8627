using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What the logits of a mini-batch are compared with: one class for each sample or pixel; for mixed samples (mixup, CutMix) two and the
/// share of the first; or a probability for each class.
/// </summary>
internal sealed record Targets(Tensor First, Tensor? Second = null, Tensor? Share = null)
{
    /// <summary>Whether they are probabilities of classes, [batch, classes, …], and not classes.</summary>
    private bool AreSoft => First.is_floating_point();

    /// <summary>How many samples or pixels there are: the mean of the losses is over these.</summary>
    public long Count => AreSoft && First.dim() > 1 && First.shape[1] > 0 ? First.numel() / First.shape[1] : First.numel();

    /// <summary>Those of some rows, in the current dispose scope.</summary>
    public Targets Rows(Tensor rows) =>
        new(First.index_select(0, rows), Second?.index_select(0, rows), Share?.index_select(0, rows));

    /// <summary>The mean loss, and the one damped by γ that is to be minimised.</summary>
    public (Tensor Loss, Tensor Objective) Evaluate(Tensor? logits, ClassificationLoss loss, double gamma)
    {
        if (AreSoft)
            return EvaluateSoft(ClassificationBatch.CheckSoft(logits, First), loss, gamma);

        (Tensor scores, Tensor labels) = ClassificationBatch.Check(logits, First);
        Tensor[] all = [labels];
        if (Second is not null && Share is not null)
        {
            all = [labels, ClassificationBatch.Check(logits, Second).Labels];
            ClassificationBatch.CheckShare(scores, Share);
        }
        Tensor[] perSample = Array.ConvertAll(all, y => ClassificationBatch.CheckLoss(loss.PerSample(scores, y), [y.shape[0]], loss));
        Tensor mean = Mix(perSample).mean();
        return (mean, gamma == 0 ? mean : Mix(
            [.. perSample.Zip(all, (l, y) => l * CalibratedFactor.PerSample(scores, y, gamma))]).mean());
    }

    // The factor of each class by its own probability, as each label of a mixed sample has its own.
    private static (Tensor Loss, Tensor Objective) EvaluateSoft((Tensor Logits, Tensor Targets) rows, ClassificationLoss loss, double gamma)
    {
        Tensor perClass = ClassificationBatch.CheckLoss(loss.PerClass(rows.Logits), rows.Logits.shape, loss) * rows.Targets;
        Tensor mean = perClass.sum(1).mean();
        return (mean, gamma == 0 ? mean : (perClass * CalibratedFactor.Of(rows.Logits.softmax(1), gamma)).sum(1).mean());
    }

    /// <summary>
    /// From a value of each sample for each of its labels: that for its label or, for mixed samples, λ f(y₁) + (1 − λ) f(y₂).
    /// </summary>
    private Tensor Mix(IReadOnlyList<Tensor> values)
    {
        if (Share is null)
            return values[0];
        using DisposeScope scope = NewDisposeScope();
        return scope.MoveToOuter((Share * values[0]).Plus(FixedScalars.One.Minus(Share) * values[1]));
    }
}
