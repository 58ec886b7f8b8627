using TorchSharp;
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
        using Scalar ofPlanes = planes.ToScalar(), ofPixels = pixels.ToScalar(), values = Values.ToScalar();
        Tensor bytes = (images.reshape(planes, pixels) * FixedScalars.LargestByte).round_().to(int64);
        Tensor offsets = arange(FixedScalars.Zero, ofPlanes, FixedScalars.One, dtype: int64, device: images.device).unsqueeze(1) * values;
        Tensor histogram = bytes.Plus(offsets).flatten().bincount(null, minlength: planes * Values).view(planes, Values);

        Tensor ofLargest = histogram.gather(1, bytes.amax([1], keepdim: true));
        Tensor step = ofPixels.Minus(ofLargest).div(FixedScalars.LargestByte, RoundingMode.floor);
        Tensor divisor = step.clamp_min(FixedScalars.One);
        Tensor below = histogram.cumsum(1) - histogram;
        Tensor half = divisor.div(FixedScalars.Two, RoundingMode.floor);
        Tensor table = below.Plus(half).div(divisor, RoundingMode.floor).clamp_(FixedScalars.Zero, FixedScalars.LargestByte);
        Tensor equalized = table.gather(1, bytes).to(float32) / FixedScalars.LargestByte;
        return scope.MoveToOuter(where(step > FixedScalars.Zero, equalized, images.reshape(planes, pixels)).view(images.shape));
    }
}
