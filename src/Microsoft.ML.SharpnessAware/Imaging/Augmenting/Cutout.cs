using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A square of each image gets one colour (DeVries and Taylor 2017, "Improved regularization of convolutional neural networks").
/// </summary>
internal static class Cutout
{
    /// <summary>
    /// New float images [B, C, H, W]. The square's side is the share of the shorter side; the fill, one value a channel, is the mean that
    /// normalisation makes zero.
    /// </summary>
    public static Tensor Apply(Tensor pixels, double share, IReadOnlyList<double> fill, IReadOnlyList<Random> random)
    {
        using var scope = NewDisposeScope();
        int height = (int)pixels.shape[2], width = (int)pixels.shape[3];
        int side = (int)Math.Round(share * Math.Min(width, height));
        PixelBox[] boxes = [.. random.Select(own => PixelBox.Around(own.Next(width), own.Next(height), side, side, width, height))];
        Tensor color = tensor([.. fill.Select(value => (float)value)], [1, fill.Count, 1, 1], device: pixels.device);
        return scope.MoveToOuter(where(BoxMask.Of(boxes, pixels), color, pixels.to(float32)));
    }
}
