using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Checks that logits and labels belong together, before libtorch would fail less clearly.</summary>
internal static class ClassificationBatch
{
    public static void Check(Tensor? logits, Tensor labels)
    {
        if (logits is null || logits.dim() != 2 || !logits.is_floating_point())
        {
            throw new ArgumentException(
                $"The logits must be a floating-point tensor of shape [batch, classes], but are {Describe(logits)}.", nameof(logits));
        }
        if (labels.dtype != ScalarType.Int64 || labels.dim() != 1 || labels.shape[0] != logits.shape[0] || labels.shape[0] == 0)
        {
            throw new ArgumentException(
                $"The labels must be an int64 tensor of shape [batch], not empty and as long as the logits, but are {Describe(labels)} " +
                $"where the logits are {Describe(logits)}.", nameof(labels));
        }
        if (labels.device_type != logits.device_type || labels.device_index != logits.device_index)
        {
            throw new ArgumentException(
                $"The labels are on {labels.device} but the logits on {logits.device}; move them to one device.", nameof(labels));
        }
        if (!logits.requires_grad)
        {
            throw new InvalidOperationException(
                "The logits do not depend on the module's trainable parameters: they were computed under no_grad, detached, or by " +
                "another module.");
        }
        CheckRange(labels, classes: logits.shape[1]);
    }

    public static void CheckShare(Tensor logits, Tensor share)
    {
        if (!share.is_floating_point() || share.dim() != 1 || share.shape[0] != logits.shape[0])
        {
            throw new ArgumentException(
                $"The share of the first label must be a floating-point tensor of shape [batch], but is {Describe(share)} " +
                $"where the logits are {Describe(logits)}.", nameof(share));
        }
        if (share.device_type != logits.device_type || share.device_index != logits.device_index)
        {
            throw new ArgumentException(
                $"The share of the first label is on {share.device} but the logits on {logits.device}; move them to one device.",
                nameof(share));
        }
        if (share.device_type == DeviceType.CPU && !((share >= FixedScalars.Zero) & (share <= FixedScalars.One)).all().item<bool>())
            throw new ArgumentException("The share of the first label must be in [0, 1] for each sample.", nameof(share));
    }

    // On a GPU the check would make every pass wait for the device, and libtorch's own assertion stops the process there.
    private static void CheckRange(Tensor labels, long classes)
    {
        if (labels.device_type != DeviceType.CPU)
            return;
        long smallest = labels.min().item<long>(), largest = labels.max().item<long>();
        if (smallest < 0 || largest >= classes)
        {
            long wrong = smallest < 0 ? smallest : largest;
            throw new ArgumentException(
                $"Label {wrong} is out of range: the logits have {classes} classes, so labels go from 0 to {classes - 1}.", nameof(labels));
        }
    }

    private static string Describe(Tensor? tensor) =>
        tensor is null ? "null" : $"{tensor.dtype} [{string.Join(", ", tensor.shape)}]";
}
