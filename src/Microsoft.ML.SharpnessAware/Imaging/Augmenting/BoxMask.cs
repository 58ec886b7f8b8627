using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Rectangles of the images of a batch, as a mask.</summary>
internal static class BoxMask
{
    /// <summary>True inside each image's box: bool [B, 1, H, W].</summary>
    public static Tensor Of(IReadOnlyList<PixelBox> boxes, Tensor images)
    {
        using var scope = NewDisposeScope();
        using Scalar width = images.shape[3].ToScalar(), height = images.shape[2].ToScalar();
        Tensor x = arange(FixedScalars.Zero, width, FixedScalars.One, dtype: int64, device: images.device).view(1, 1, 1, -1);
        Tensor y = arange(FixedScalars.Zero, height, FixedScalars.One, dtype: int64, device: images.device).view(1, 1, -1, 1);
        return scope.MoveToOuter(
            (x >= Edge(box => box.Left)) & (x < Edge(box => box.Right)) & (y >= Edge(box => box.Top)) & (y < Edge(box => box.Bottom)));

        Tensor Edge(Func<PixelBox, int> edge) =>
            tensor([.. boxes.Select(box => (long)edge(box))], [boxes.Count, 1, 1, 1], device: images.device);
    }
}
