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
    /// <exception cref="InvalidOperationException">Running statistics are NaN because of mini-batches of one image.</exception>
    public static void Check(TrainingPlan plan, int epoch, long step, double learningRate, double loss)
    {
        string? problem = RunningStatistics(plan, epoch);
        if (problem is null && !(plan.Validation is null ? SomeAreFinite(plan) : Array.TrueForAll(plan.Validation.Logits, float.IsFinite)))
            problem = $"the outputs of network '{plan.Classifier.Architecture}' are";
        if (problem is not null)
            throw TrainingDivergedException.AfterEpoch(epoch, step, learningRate, loss, problem);
    }

    private static string? RunningStatistics(TrainingPlan plan, int epoch)
    {
        using DisposeScope scope = NewDisposeScope();
        foreach ((string name, Tensor buffer) in plan.Classifier.Network.named_buffers())
        {
            if (!buffer.is_floating_point() || buffer.isfinite().all().item<bool>())
                continue;
            var order = new BatchOrder(plan.Training.Count, plan.Options.BatchSize, seed: 0);
            bool hasBatchesOfOne = plan.Training.Count / order.BatchesPerEpoch == 1;
            if (hasBatchesOfOne && buffer.isnan().any().item<bool>())
                throw new InvalidOperationException(
                    $"The running statistics '{name}' of network '{plan.Classifier.Architecture}' are not finite after epoch {epoch}. " +
                    "Batch norm needs more than one value for each channel, which a mini-batch of one image does not have where the last " +
                    "feature map is a single pixel: use a larger BatchSize or larger images.");
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
