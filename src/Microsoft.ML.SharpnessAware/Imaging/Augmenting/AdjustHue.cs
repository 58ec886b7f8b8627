using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Colours are turned by the strength, in whole turns of the colour circle, at the same saturation and value (HSV). Only images of three
/// channels have colours.
/// </summary>
internal sealed class AdjustHue : ColorOperation
{
    public override Tensor Apply(Tensor images, Tensor strength)
    {
        if (images.shape[1] != 3)
            return images;
        using var scope = NewDisposeScope();
        Tensor red = images.narrow(1, 0, 1), green = images.narrow(1, 1, 1), blue = images.narrow(1, 2, 1);
        Tensor value = images.amax([1], keepdim: true);
        Tensor chroma = value - images.amin([1], keepdim: true);

        // In sixths of a turn: red at 0, green at 2, blue at 4.
        Tensor divisor = where(chroma > Constant.Of(0), chroma, ones_like(chroma));
        Tensor sector = where(value == red, (green - blue) / divisor,
            where(value == green, ((blue - red) / divisor) + Constant.Of(2), ((red - green) / divisor) + Constant.Of(4)));
        Tensor turned = sector + (strength * Constant.Of(6));
        return scope.MoveToOuter(cat([Channel(5), Channel(3), Channel(1)], 1));

        // Alvy Ray Smith's conversion back, written for one channel at a time.
        Tensor Channel(int n)
        {
            Tensor k = turned + Constant.Of(n);
            k = k - ((k / Constant.Of(6)).floor() * Constant.Of(6));
            return value - (chroma * minimum(k, Constant.Of(4) - k).clamp_(Constant.Of(0), Constant.Of(1)));
        }
    }
}
