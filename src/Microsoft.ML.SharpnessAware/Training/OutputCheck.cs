using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Asks the network after the last step of an epoch whether it still gives numbers. Its losses do not tell: they are those before each
/// step, and in training mode, and weights may be finite and still too large to compute with.
/// </summary>
internal static class OutputCheck
{
    private const int TrainingImages = 32;

    /// <exception cref="TrainingDivergedException">Running statistics, or outputs in evaluation mode, are infinite or NaN.</exception>
    public static void Check(TrainingPlan plan, int epoch, long step, double learningRate, double loss)
    {
        string? problem = RunningStatistics(plan);
        if (problem is null && !(plan.Validation is null ? SomeAreFinite(plan) : Array.TrueForAll(plan.Validation.Logits, float.IsFinite)))
            problem = $"the outputs of network '{plan.Classifier.Architecture}' are";
        if (problem is not null)
            throw TrainingDivergedException.AfterEpoch(epoch, step, learningRate, loss, problem);
    }

    private static string? RunningStatistics(TrainingPlan plan)
    {
        using DisposeScope scope = NewDisposeScope();
        foreach ((string name, Tensor buffer) in plan.Classifier.Network.named_buffers())
        {
            if (buffer.is_floating_point() && !buffer.isfinite().all().item<bool>())
                return $"the running statistics '{name}' of network '{plan.Classifier.Architecture}' are";
        }
        return null;
    }

    // From all over the data, which may be sorted by class.
    private static bool SomeAreFinite(TrainingPlan plan)
    {
        long count = Math.Min(plan.Training.Count, TrainingImages);
        long[] rows = [.. Enumerable.Range(0, (int)count).Select(i => i * plan.Training.Count / count)];
        using ImageDataset some = plan.Training.Subset(rows), here = some.Here();
        plan.Classifier.Network.eval();
        bool areFinite = Array.TrueForAll(plan.Draw(() => plan.Classifier.Logits(here)), float.IsFinite);
        return plan.Training.SharedBy is { } group ? group.SumOf(areFinite ? 0 : 1).A == 0 : areFinite;
    }
}
