using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Batch norm of images [batch, channels, height, width]: <c>nn.BatchNorm2d</c>, but see <see cref="BatchStatistics"/>.</summary>
internal sealed class ImageBatchNorm(long channels)
    : BatchNorm(channels, eps: 1e-5, momentum: 0.1, affine: true, track_running_stats: true, device: null, dtype: null, nameof(BatchNorm2d))
{
    public override Tensor forward(Tensor input)
    {
        if (!training)
            return base.forward(input);
        ValidateInputDimensions(input);
        return BatchStatistics.Normalize(this, input);
    }

    protected override void ValidateInputDimensions(Tensor input)
    {
        if (input.dim() != 4)
            throw new ArgumentException(
                $"Batch norm of images needs 4 dimensions, [batch, channels, height, width]; there are {input.dim()}.");
    }
}
