using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Each channel, taken as bytes, gets values that spread its histogram evenly, as the Python Imaging Library's ImageOps.equalize does. A
/// channel with too few pixels that are not of its largest value (below 255) stays. The strength does not matter.
/// </summary>
internal sealed class Equalize : ColorOperation
{
    private const int Values = 256;

    public override Tensor Apply(Tensor images, Tensor strength)
    {
        using var scope = NewDisposeScope();
        long planes = images.shape[0] * images.shape[1], pixels = images.shape[2] * images.shape[3];
        Tensor bytes = (images.reshape(planes, pixels) * Constant.Of(255)).round_().to(int64);
        Tensor offsets = arange(Constant.Of(planes), dtype: int64, device: images.device).unsqueeze(1) * Constant.Of(Values);
        Tensor histogram = (bytes + offsets).flatten().bincount(null, minlength: planes * Values).view(planes, Values);

        Tensor ofLargest = histogram.gather(1, bytes.amax([1], keepdim: true));
        Tensor step = (Constant.Of(pixels) - ofLargest).div(Constant.Of(255), RoundingMode.floor);
        Tensor divisor = step.clamp_min(Constant.Of(1));
        Tensor below = histogram.cumsum(1) - histogram;
        Tensor table = (below + divisor.div(Constant.Of(2), RoundingMode.floor)).div(divisor, RoundingMode.floor).clamp_(Constant.Of(0), Constant.Of(Values - 1));
        Tensor equalized = table.gather(1, bytes).to(float32) / Constant.Of(255);
        return scope.MoveToOuter(where(step > Constant.Of(0), equalized, images.reshape(planes, pixels)).view(images.shape));
    }
}
