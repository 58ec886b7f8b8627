using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Batch norm in training, with numbers that are held.</summary>
/// <remarks>
/// TorchSharp's own layer counts its mini-batches by <c>add_(1)</c>, with a number that the collector may free while libtorch reads it (see
/// <see cref="FixedScalars"/>): one training in several thousand ended with an error of that.
/// </remarks>
internal static class BatchStatistics
{
    /// <summary>Whether the layer normalises by its mini-batch and keeps running statistics at the moment.</summary>
    public static bool AreKept(NormBase layer) => layer.training && layer.track_running_stats;

    /// <summary>The same for an input of the dimensions that the layer takes, as it checks itself.</summary>
    public static bool AreKept(NormBase layer, Tensor input) => AreKept(layer) && layer switch
    {
        BatchNorm1d => input.dim() is 2 or 3,
        BatchNorm3d => input.dim() == 5,
        _ => input.dim() == 4,
    };

    /// <summary>What the layer gives for its input in training mode; its running statistics and its counter follow.</summary>
    public static Tensor Normalize(NormBase layer, Tensor input) =>
        nn.functional.batch_norm(input, layer.running_mean, layer.running_var, layer.weight, layer.bias, training: true,
            momentum: CountOne(layer), eps: layer.eps);

    /// <summary>Looks for layers that had one value for each channel, whose unbiased variance is 0/0. What diverges has no mean
    /// either.</summary>
    /// <exception cref="InvalidOperationException">One had.</exception>
    public static void CheckVariances(nn.Module module)
    {
        foreach ((string name, nn.Module child) in module.named_modules().Prepend((name: "", module)))
        {
            if (child is NormBase layer && AreKept(layer) && layer.running_var!.isnan().any().item<bool>()
                && layer.running_mean!.isfinite().all().item<bool>())
            {
                string what = $"Layer '{name}' ({layer.GetName()}) had one value for each channel to normalise by, of which there is no " +
                    "variance for its running statistics";
                throw new InvalidOperationException(layer is BatchNorm
                    ? $"{what}: a mini-batch of one sample, where the sample has one value for each channel. Use larger mini-batches, of " +
                        "which none of one sample is left over (BatchSize of the trainer; each MicroBatch, and the part of each process, " +
                        "counts by itself), or larger images, or keep the layer in evaluation mode."
                    : $"{what}. Use larger images, or track_running_stats: false.");
            }
        }
    }

    /// <summary>Counts a mini-batch.</summary>
    /// <returns>The weight that its statistics have among the running ones.</returns>
    public static double CountOne(NormBase layer)
    {
        layer.num_batches_tracked!.add_(FixedScalars.One, FixedScalars.One);
        return layer.momentum ?? (1.0 / Count(layer));
    }

    /// <summary>How many mini-batches were counted; of a layer that was made with a type of its own by numbers of that.</summary>
    public static long Count(NormBase layer)
    {
        using DisposeScope scope = NewDisposeScope();
        return layer.num_batches_tracked!.to(ScalarType.Int64).cpu().item<long>();
    }
}
