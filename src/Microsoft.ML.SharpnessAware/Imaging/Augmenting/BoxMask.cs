using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Rectangles of the images of a batch, as a mask.</summary>
internal static class BoxMask
{
    /// <summary>True inside each image's box: bool [B, 1, H, W].</summary>
    public static Tensor Of(IReadOnlyList<PixelBox> boxes, Tensor images)
    {
        using var scope = NewDisposeScope();
        Tensor x = arange(Constant.Of(images.shape[3]), dtype: int64, device: images.device).view(1, 1, 1, -1);
        Tensor y = arange(Constant.Of(images.shape[2]), dtype: int64, device: images.device).view(1, 1, -1, 1);
        return scope.MoveToOuter(
            (x >= Edge(box => box.Left)) & (x < Edge(box => box.Right)) & (y >= Edge(box => box.Top)) & (y < Edge(box => box.Bottom)));

        Tensor Edge(Func<PixelBox, int> edge) =>
            tensor([.. boxes.Select(box => (long)edge(box))], [boxes.Count, 1, 1, 1], device: images.device);
    }
}
