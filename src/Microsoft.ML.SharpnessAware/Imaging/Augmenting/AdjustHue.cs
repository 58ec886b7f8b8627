using TorchSharp;
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
        Tensor divisor = where(chroma > FixedScalars.Zero, chroma, ones_like(chroma));
        Tensor sector = where(value == red, (green - blue) / divisor,
            where(value == green, ((blue - red) / divisor).Plus(FixedScalars.Two), ((red - green) / divisor).Plus(FixedScalars.Four)));
        Tensor turned = sector.Plus(strength * FixedScalars.Six);
        return scope.MoveToOuter(cat([Channel(5), Channel(3), Channel(1)], 1));

        // Alvy Ray Smith's conversion back, written for one channel at a time.
        Tensor Channel(int n)
        {
            using Scalar offset = n.ToScalar();
            Tensor k = turned.Plus(offset);
            k = k - ((k / FixedScalars.Six).floor() * FixedScalars.Six);
            return value - (chroma * minimum(k, FixedScalars.Four.Minus(k)).clamp_(FixedScalars.Zero, FixedScalars.One));
        }
    }
}
