using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Takes the steps of each image for a whole batch: at every turn, the images that have the same operation next are changed together.
/// </summary>
internal static class StepRunner
{
    /// <summary>
    /// New float images [B, C, H, W] of pixels whose <paramref name="white"/> is 255 for bytes; the pixels themselves where there is
    /// nothing to do.
    /// </summary>
    public static Tensor Run(Tensor pixels, ImageSteps[] steps, double white)
    {
        using var scope = NewDisposeScope();
        int turns = steps.Max(one => one.Colors.Count);
        if (turns == 0 && steps.All(one => one.Last == AffineMap.Identity))
            return pixels;

        using Scalar ofWhite = white.ToScalar();
        Tensor images = pixels.to_type(float32, copy: true);
        if (turns > 0)
            images.div_(ofWhite);
        for (int turn = 0; turn < turns; turn++)
        {
            int[] active = [.. Rows(steps, one => one.Colors.Count > turn)];
            images = Warp(images, [.. active.Select(row => (row, steps[row].Colors[turn].Before))]);
            foreach (IGrouping<ColorOperation, int> group in active.GroupBy(row => steps[row].Colors[turn].Operation))
            {
                float[] strengths = [.. group.Select(row => steps[row].Colors[turn].Strength)];
                Tensor strength = tensor(strengths, [strengths.Length, 1, 1, 1], device: images.device);
                images = Change(images, [.. group], chosen => group.Key(chosen, strength));
            }
        }

        if (turns > 0)
            images.mul_(ofWhite);
        return scope.MoveToOuter(Warp(images, [.. steps.Select((one, row) => (row, one.Last))]));
    }

    private static IEnumerable<int> Rows(ImageSteps[] steps, Func<ImageSteps, bool> condition) =>
        Enumerable.Range(0, steps.Length).Where(row => condition(steps[row]));

    private static Tensor Warp(Tensor images, (int Row, AffineMap Map)[] maps)
    {
        (int Row, AffineMap Map)[] moved = [.. maps.Where(one => one.Map != AffineMap.Identity)];
        return Change(
            images, [.. moved.Select(one => (long)one.Row)], chosen => AffineWarp.Apply(chosen, [.. moved.Select(one => one.Map)]));
    }

    // The batch is changed in place, unless all of its images are changed.
    private static Tensor Change(Tensor images, long[] rows, Func<Tensor, Tensor> change)
    {
        if (rows.Length == 0)
            return images;
        if (rows.Length == images.shape[0])
            return change(images);
        using var scope = NewDisposeScope();
        Tensor index = tensor(rows, device: images.device);
        images.index_copy_(0, index, change(images.index_select(0, index)));
        return images;
    }
}
