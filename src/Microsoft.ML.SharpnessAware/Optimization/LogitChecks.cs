using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Checks that logits and labels belong together, before libtorch would fail less clearly, and gives them as rows: [n, classes] and [n],
/// where a pixel of an image is a row, too.
/// </summary>
internal static class LogitChecks
{
    private const double SumTolerance = 1e-3;

    /// <summary>Logits [batch, classes, …] and classes [batch, …].</summary>
    public static (Tensor Logits, Tensor Labels) Check(Tensor? logits, Tensor labels)
    {
        if (logits is null || logits.dim() < 2 || !logits.is_floating_point())
        {
            throw new ArgumentException(
                "The logits must be a floating-point tensor of shape [batch, classes], or [batch, classes, height, width] with a " +
                $"label for each pixel, but are {Describe(logits)}.", nameof(logits));
        }
        if (labels.dtype != ScalarType.Int64 || labels.numel() == 0 || !labels.shape.SequenceEqual(WithoutClasses(logits)))
        {
            throw new ArgumentException(
                $"The labels must be an int64 tensor of shape [{string.Join(", ", WithoutClasses(logits))}], one for each sample, " +
                $"and not empty, but are {Describe(labels)} where the logits are {Describe(logits)}.", nameof(labels));
        }
        CheckDevice(logits, labels, "labels are");
        CheckDepends(logits);
        CheckRange(labels, classes: logits.shape[1]);
        return (Rows(logits), labels.dim() == 1 ? labels : labels.reshape(-1));
    }

    /// <summary>Logits and probabilities of the same shape [batch, classes, …].</summary>
    public static (Tensor Logits, Tensor Targets) CheckSoft(Tensor? logits, Tensor labels)
    {
        if (logits is null || logits.dim() < 2 || !logits.is_floating_point() || labels.numel() == 0
            || !labels.shape.SequenceEqual(logits.shape))
        {
            throw new ArgumentException(
                "Labels that are probabilities must have the shape of the logits, [batch, classes], and not be empty, but are " +
                $"{Describe(labels)} where the logits are {Describe(logits)}.", nameof(labels));
        }
        CheckDevice(logits, labels, "labels are");
        CheckDepends(logits);
        using Scalar tolerance = SumTolerance.ToScalar();
        if (labels.device_type == DeviceType.CPU
            && !((labels >= FixedScalars.Zero).all() & ((labels.sum(1) - FixedScalars.One).abs() <= tolerance).all()).item<bool>())
        {
            throw new ArgumentException(
                "Labels that are probabilities must be at least 0 and sum to 1 over the classes. For labels that exclude each other not, " +
                "compute the loss yourself and use Step(loss).", nameof(labels));
        }
        return (Rows(logits), Rows(labels.to(logits.dtype)));
    }

    /// <summary>The share of the first label of each sample, given for each row.</summary>
    public static Tensor CheckShare(Tensor logits, Tensor share)
    {
        if (!share.is_floating_point() || share.dim() != 1 || share.shape[0] != logits.shape[0])
        {
            throw new ArgumentException(
                $"The share of the first label must be a floating-point tensor of shape [batch], but is {Describe(share)} " +
                $"where the logits are {Describe(logits)}.", nameof(share));
        }
        CheckDevice(logits, share, "share of the first label is");
        if (share.device_type == DeviceType.CPU && !((share >= FixedScalars.Zero) & (share <= FixedScalars.One)).all().item<bool>())
            throw new ArgumentException("The share of the first label must be in [0, 1] for each sample.", nameof(share));
        return logits.dim() == 2
            ? share
            : share.unsqueeze(1).expand(-1, logits.numel() / (logits.shape[0] * logits.shape[1])).reshape(-1);
    }

    /// <summary>Makes sure that there are as many of something as inputs, and one at least.</summary>
    public static void CheckRows(Tensor inputs, Tensor values, string what)
    {
        if (inputs.dim() == 0 || values.dim() == 0 || values.shape[0] == 0 || values.shape[0] != inputs.shape[0])
        {
            throw new ArgumentException(
                $"The {what} must be as many as the inputs, whose first dimension is the samples, and not be empty, but they are " +
                $"{Describe(values)} where the inputs are {Describe(inputs)}.", nameof(values));
        }
    }

    /// <summary>Makes sure that the two labels of mixed samples are of one kind.</summary>
    public static void CheckKinds(Tensor labels, Tensor others)
    {
        if (labels.is_floating_point() != others.is_floating_point())
        {
            throw new ArgumentException(
                "The two labels of mixed samples must both be classes or both be probabilities, but are " +
                $"{Describe(labels)} and {Describe(others)}.", nameof(others));
        }
    }

    /// <summary>Returns a loss of the shape that the contract demands.</summary>
    public static Tensor CheckLoss(Tensor losses, long[] shape, ClassificationLoss loss) =>
        losses.shape.SequenceEqual(shape)
            ? losses
            : throw new ArgumentException(
                $"The loss {loss.GetType().Name} gave {Describe(losses)} where [{string.Join(", ", shape)}] is needed, a loss for each " +
                "sample. The optimiser takes the mean itself.", nameof(loss));

    /// <summary>The loss of a function of the user's, which must be one number that depends on parameters.</summary>
    public static Tensor CheckScalar(Tensor? loss)
    {
        if (loss is null || loss.numel() != 1 || !loss.is_floating_point())
        {
            throw new ArgumentException(
                $"The loss must be one floating-point number, the mean over the mini-batch, but is {Describe(loss)}.", nameof(loss));
        }
        if (!loss.requires_grad)
        {
            throw new InvalidOperationException(
                "The loss does not depend on the module's trainable parameters: it was computed under no_grad, detached, or by another " +
                "module.");
        }
        return loss.dim() == 0 ? loss : loss.reshape([]);
    }

    /// <summary>Finds a softmax at the end of a network: each row of its output is a probability distribution.</summary>
    /// <exception cref="InvalidOperationException">It is.</exception>
    public static void CheckUnnormalised(Tensor logits)
    {
        const double Tolerance = 1e-5;
        if (logits.shape[1] < 2)
            return;
        using DisposeScope scope = NewDisposeScope();
        using Scalar tolerance = Tolerance.ToScalar();
        Tensor values = logits.detach().to(float64);
        if (((values >= FixedScalars.Zero).all() & ((values.sum(1) - FixedScalars.One).abs() <= tolerance).all()).item<bool>())
        {
            throw new InvalidOperationException(
                "The network gives probabilities: its outputs are positive and sum to 1 in every row of the first mini-batch, as a " +
                "softmax at its end makes them. The loss applies the softmax itself; leave it out of the network.");
        }
    }

    private static void CheckDevice(Tensor logits, Tensor other, string what)
    {
        if (other.device_type != logits.device_type || other.device_index != logits.device_index)
        {
            throw new ArgumentException(
                $"The {what} on {other.device} but the logits on {logits.device}; move them to one device.", nameof(other));
        }
    }

    private static void CheckDepends(Tensor logits)
    {
        if (!logits.requires_grad)
        {
            throw new InvalidOperationException(
                "The logits do not depend on the module's trainable parameters: they were computed under no_grad, detached, or by " +
                "another module.");
        }
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

    private static long[] WithoutClasses(Tensor logits) => [logits.shape[0], .. logits.shape.Skip(2)];

    private static Tensor Rows(Tensor values) =>
        values.dim() == 2 ? values : values.movedim([1], [-1]).reshape(-1, values.shape[1]);

    private static string Describe(Tensor? tensor) =>
        tensor is null ? "null" : $"{tensor.dtype} [{string.Join(", ", tensor.shape)}]";
}
