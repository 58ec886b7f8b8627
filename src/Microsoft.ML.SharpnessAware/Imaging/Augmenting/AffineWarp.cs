using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Applies an affine map to each image of a batch: one grid, one linear interpolation.</summary>
internal static class AffineWarp
{
    /// <summary>
    /// New images [n, C, H, W] of float images. What comes from outside an image is 0. An image's values do not depend on the other images
    /// or the number of threads: the grid is made by element-wise operations, since a matrix product may add up in another order.
    /// </summary>
    public static Tensor Apply(Tensor images, IReadOnlyList<AffineMap> maps)
    {
        using var scope = NewDisposeScope();
        int height = (int)images.shape[2], width = (int)images.shape[3];
        Tensor x = Centres(width, images.device).view(1, 1, width), y = Centres(height, images.device).view(1, height, 1);

        // In units of half the sides, as grid_sample counts: the image's edges are at -1 and 1.
        double aspect = (double)height / width;
        Tensor sourceX = Linear(x, y, map => (map.XX, map.XY * aspect, 2 * map.X0 / width));
        Tensor sourceY = Linear(x, y, map => (map.YX / aspect, map.YY, 2 * map.Y0 / height));
        Tensor inside = (sourceX.abs() <= FixedScalars.One) & (sourceY.abs() <= FixedScalars.One);

        // With the padding "zeros" an enlarged crop would fade to black over the outermost half pixel.
        Tensor sampled = grid_sample(
            images, stack([sourceX, sourceY], dim: -1), GridSampleMode.Bilinear, GridSamplePaddingMode.Border, align_corners: false);
        return scope.MoveToOuter(sampled.mul_(inside.unsqueeze(1)));

        Tensor Linear(Tensor x, Tensor y, Func<AffineMap, (double X, double Y, double One)> row)
        {
            (double X, double Y, double One)[] rows = [.. maps.Select(row)];
            return (Column(rows.Select(r => r.X)) * x).Plus(Column(rows.Select(r => r.Y)) * y).Plus(Column(rows.Select(r => r.One)));
        }

        Tensor Column(IEnumerable<double> values)
        {
            float[] floats = [.. values.Select(value => (float)value)];
            return tensor(floats, [floats.Length, 1, 1], device: images.device);
        }
    }

    private static Tensor Centres(int pixels, Device device) =>
        tensor([.. Enumerable.Range(0, pixels).Select(i => (float)((((2 * i) + 1.0) / pixels) - 1))], device: device);
}
