using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What the logits of a mini-batch are compared with: one class for each sample or pixel, or a probability for each class; for mixed
/// samples (mixup, CutMix) two of these and the share of the first.
/// </summary>
internal sealed record Targets(Tensor First, Tensor? Second = null, Tensor? Share = null)
{
    /// <summary>Whether they are probabilities of classes, [batch, classes, …], and not classes.</summary>
    private bool AreSoft => First.is_floating_point();

    /// <summary>How many samples or pixels there are: the mean of the losses is over these.</summary>
    public long Count => AreSoft && First.dim() > 1 && First.shape[1] > 0 ? First.numel() / First.shape[1] : First.numel();

    /// <summary>Makes sure that there is one for each of the inputs, so that the same rows can be taken of both.</summary>
    public void CheckRows(Tensor inputs)
    {
        LogitChecks.CheckRows(inputs, First, "labels");
        if (Second is not null)
            LogitChecks.CheckRows(inputs, Second, "second labels");
        if (Share is not null)
            LogitChecks.CheckRows(inputs, Share, "shares of the first label");
    }

    /// <summary>Those of some rows, in the current dispose scope.</summary>
    public Targets Rows(Tensor rows)
    {
        return new(Of(First), Second is null ? null : Of(Second), Share is null ? null : Of(Share));

        Tensor Of(Tensor all) => all.index_select(0, rows.to(all.device));     // the network may move its inputs
    }

    /// <summary>The mean loss, and the one damped by γ that is to be minimised.</summary>
    public (Tensor Loss, Tensor Objective) Evaluate(Tensor? logits, ClassificationLoss loss, double gamma)
    {
        if (AreSoft)
            return EvaluateSoft(CheckSoft(logits), loss, gamma);

        (Tensor scores, Tensor labels) = LogitChecks.Check(logits, First);
        Tensor[] all = Second is null ? [labels] : [labels, LogitChecks.Check(logits, Second).Labels];
        Tensor? share = Share is null ? null : LogitChecks.CheckShare(logits!, Share);
        Tensor[] perSample = Array.ConvertAll(all, y => LogitChecks.CheckLoss(loss.PerSample(scores, y), [y.shape[0]], loss));
        Tensor mean = Mix(perSample, share).mean();
        return (mean, gamma == 0 ? mean : Mix(
            [.. perSample.Zip(all, (l, y) => l * CalibratedFactor.PerSample(scores, y, gamma))], share).mean());
    }

    // The loss is a sum weighted by the probabilities, damped or not: that of the mixed ones is the mixed loss.
    private (Tensor Logits, Tensor Targets) CheckSoft(Tensor? logits)
    {
        (Tensor rows, Tensor targets) = LogitChecks.CheckSoft(logits, First);
        if (Second is null || Share is null)
            return (rows, targets);
        Tensor others = LogitChecks.CheckSoft(logits, Second).Targets;
        return (rows, Mix([targets, others], LogitChecks.CheckShare(logits!, Share).unsqueeze(1)));
    }

    // The factor of each class by its own probability, as each label of a mixed sample has its own.
    private static (Tensor Loss, Tensor Objective) EvaluateSoft((Tensor Logits, Tensor Targets) rows, ClassificationLoss loss, double gamma)
    {
        Tensor perClass = LogitChecks.CheckLoss(loss.PerClass(rows.Logits), rows.Logits.shape, loss) * rows.Targets;
        Tensor mean = perClass.sum(1).mean();
        return (mean, gamma == 0 ? mean : (perClass * CalibratedFactor.Of(rows.Logits.softmax(1), gamma)).sum(1).mean());
    }

    /// <summary>
    /// From a value of each sample for each of its labels: that for its label or, for mixed samples, λ f(y₁) + (1 − λ) f(y₂).
    /// </summary>
    private static Tensor Mix(IReadOnlyList<Tensor> values, Tensor? share)
    {
        if (share is null)
            return values[0];
        using DisposeScope scope = NewDisposeScope();
        return scope.MoveToOuter((share * values[0]).Plus(FixedScalars.One.Minus(share) * values[1]));
    }
}
