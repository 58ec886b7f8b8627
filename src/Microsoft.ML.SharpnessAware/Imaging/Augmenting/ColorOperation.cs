using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A change of the values of images with values in [0, 1], each by a strength of its own. Definitions are those of torchvision and the
/// Python Imaging Library, without rounding to bytes in between.
/// </summary>
/// <remarks>
/// An image's values do not depend on the other images of the batch or the number of threads. So nothing here adds up floats over pixels,
/// whose order would be libtorch's choice.
/// </remarks>
internal abstract class ColorOperation
{
    public static ColorOperation Brightness { get; } = new AdjustBrightness();

    public static ColorOperation Contrast { get; } = new AdjustContrast();

    public static ColorOperation Saturation { get; } = new AdjustSaturation();

    public static ColorOperation Hue { get; } = new AdjustHue();

    public static ColorOperation Sharpness { get; } = new AdjustSharpness();

    public static ColorOperation Posterize { get; } = new Posterize();

    public static ColorOperation Solarize { get; } = new Solarize();

    public static ColorOperation AutoContrast { get; } = new AutoContrast();

    public static ColorOperation Equalize { get; } = new Equalize();

    /// <summary>New images [n, C, H, W], or the same ones; the strength is [n, 1, 1, 1].</summary>
    public abstract Tensor Apply(Tensor images, Tensor strength);

    /// <summary>The grey of each pixel, [n, 1, H, W]: luma of BT.601 for three channels, else the channels' mean.</summary>
    protected static Tensor Grey(Tensor images)
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
    protected static Tensor Blend(Tensor images, Tensor other, Tensor strength)
    {
        using var scope = NewDisposeScope();
        Tensor sum = (images * strength).Plus(other * FixedScalars.One.Minus(strength));
        return scope.MoveToOuter(sum.clamp_(FixedScalars.Zero, FixedScalars.One));
    }
}
