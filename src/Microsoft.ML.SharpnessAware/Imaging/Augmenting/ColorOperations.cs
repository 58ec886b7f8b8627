using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A change of the values of images with values in [0, 1], each by a strength of its own: new images [n, C, H, W], or the same ones; the
/// strength is
/// [n, 1, 1, 1].
/// </summary>
internal delegate Tensor ColorOperation(Tensor images, Tensor strength);

/// <summary>
/// The operations on colours. Definitions are those of torchvision and the Python Imaging Library, without rounding to bytes in between.
/// </summary>
/// <remarks>
/// An image's values do not depend on the other images of the batch or the number of threads. So nothing here adds up floats over pixels,
/// whose order would be libtorch's choice.
/// </remarks>
internal static class ColorOperations
{
    /// <summary>Every value is multiplied by the strength.</summary>
    public static ColorOperation Brightness { get; } = (images, strength) =>
        images.mul(strength).clamp_(FixedScalars.Zero, FixedScalars.One);

    /// <summary>Every value's distance from the image's mean grey is multiplied by the strength.</summary>
    public static ColorOperation Contrast { get; } = (images, strength) =>
    {
        const int One = 1 << 20;
        using var scope = NewDisposeScope();
        Tensor grey = Grey(images);
        long pixels = grey.shape[2] * grey.shape[3];
        // A sum of whole numbers is the same in whatever order it is added up.
        using Scalar one = One.ToScalar(), all = ((double)One * pixels).ToScalar();
        Tensor mean = ((grey * one).round().to(int64).sum([1, 2, 3], keepdim: true).to(float64) / all).to(float32);
        return scope.MoveToOuter(Blend(images, mean, strength));
    };

    /// <summary>
    /// Every value's distance from its pixel's grey is multiplied by the strength. Only images of three channels have colours.
    /// </summary>
    public static ColorOperation Saturation { get; } = (images, strength) =>
    {
        using var scope = NewDisposeScope();
        return images.shape[1] == 3 ? scope.MoveToOuter(Blend(images, Grey(images), strength)) : images;
    };

    /// <summary>
    /// Colours are turned by the strength, in whole turns of the colour circle, at the same saturation and value (HSV). Only images of
    /// three channels have colours.
    /// </summary>
    public static ColorOperation Hue { get; } = (images, strength) =>
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
    };

    /// <summary>
    /// Every value's distance from its neighbourhood (itself five times and its eight neighbours, / 13) is multiplied by the strength. The
    /// outermost pixels stay.
    /// </summary>
    public static ColorOperation Sharpness { get; } = (images, strength) =>
    {
        long height = images.shape[2] - 2, width = images.shape[3] - 2;
        if (height < 1 || width < 1)
            return images;
        using var scope = NewDisposeScope();
        using Scalar weights = 13.ToScalar();
        Tensor centre = Shifted(1, 1);
        Tensor sum = centre * FixedScalars.Four;
        for (int down = 0; down < 3; down++)
        {
            for (int right = 0; right < 3; right++)
                sum.add_(Shifted(down, right), FixedScalars.One);
        }

        Tensor result = images.clone();
        result.narrow(2, 1, height).narrow(3, 1, width).copy_(Blend(centre, sum / weights, strength));
        return scope.MoveToOuter(result);

        Tensor Shifted(int down, int right) => images.narrow(2, down, height).narrow(3, right, width);
    };

    /// <summary>
    /// Values, taken as bytes, lose their lowest bits. The strength is the step that is left: 1 for 8 bits, 2 for 7, 16 for 4.
    /// </summary>
    public static ColorOperation Posterize { get; } = (images, strength) =>
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(((images * FixedScalars.LargestByte).round_() / strength).floor_() * strength / FixedScalars.LargestByte);
    };

    /// <summary>Values from the strength on become their negative.</summary>
    public static ColorOperation Solarize { get; } = (images, strength) =>
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(where(images >= strength, FixedScalars.One.Minus(images), images));
    };

    /// <summary>Each channel is stretched so that it runs from 0 to 1; one that never changes stays. The strength does not
    /// matter.</summary>
    public static ColorOperation AutoContrast { get; } = (images, strength) =>
    {
        using var scope = NewDisposeScope();
        Tensor low = images.amin([2, 3], keepdim: true);
        Tensor range = images.amax([2, 3], keepdim: true) - low;
        return scope.MoveToOuter(where(range > FixedScalars.Zero, (images - low) / range, images));
    };

    /// <summary>
    /// Each channel, taken as bytes, gets values that spread its histogram evenly, as the Python Imaging Library's ImageOps.equalize does.
    /// A channel with too few pixels that are not of its largest value (below 255) stays. The strength does not matter.
    /// </summary>
    public static ColorOperation Equalize { get; } = (images, strength) =>
    {
        const int Values = 256;
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
    };

    /// <summary>The grey of each pixel, [n, 1, H, W]: luma of BT.601 for three channels, else the channels' mean.</summary>
    private static Tensor Grey(Tensor images)
    {
        using var scope = NewDisposeScope();
        int channels = (int)images.shape[1];
        float[] weights = channels == 3 ? [0.299f, 0.587f, 0.114f] : [.. Enumerable.Repeat(1f / channels, channels)];
        Tensor sum = Weighted(0);
        for (int channel = 1; channel < channels; channel++)
            sum = sum.Plus(Weighted(channel));
        return scope.MoveToOuter(sum);

        Tensor Weighted(int channel)
        {
            using Scalar weight = weights[channel].ToScalar();
            return images.narrow(1, channel, 1) * weight;
        }
    }

    /// <summary>Strength parts of the images and 1 - strength parts of <paramref name="other"/>, within [0, 1].</summary>
    private static Tensor Blend(Tensor images, Tensor other, Tensor strength)
    {
        using var scope = NewDisposeScope();
        Tensor sum = (images * strength).Plus(other * FixedScalars.One.Minus(strength));
        return scope.MoveToOuter(sum.clamp_(FixedScalars.Zero, FixedScalars.One));
    }
}
