using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Mixup (Zhang et al. 2018, "mixup: Beyond empirical risk minimization") and CutMix (Yun et al. 2019, "CutMix: Regularization strategy to
/// train strong classifiers with localizable features"). Both are a weighted sum of an image and its partner, the image before it in the
/// batch: mixup's weight is the same everywhere, CutMix's is 0 in a rectangle and 1 elsewhere.
/// </summary>
internal static class LabelMixing
{
    /// <summary>
    /// New float images [B, C, H, W], and the share in [0, 1] of each image's own label, float32 [B]; the rest is its partner's. Both are
    /// on the pixels' device.
    /// </summary>
    public static (Tensor Images, Tensor Share) Apply(Tensor pixels, Augmentation augmentation, IReadOnlyList<Random> random)
    {
        using var scope = NewDisposeScope();
        int height = (int)pixels.shape[2], width = (int)pixels.shape[3];
        (PixelBox Box, double Outside)[] mixes = [.. random.Select(own => Draw(augmentation, own, width, height))];
        double[] shares = [.. mixes.Select(mix => mix.Outside * (1 - ((double)mix.Box.Width * mix.Box.Height / ((double)width * height))))];

        Tensor images = pixels.to(float32);
        Tensor inBox = BoxMask.Of([.. mixes.Select(mix => mix.Box)], images);
        Tensor weight = where(inBox, 0f, Column(mixes.Select(mix => mix.Outside)).view(-1, 1, 1, 1));
        Tensor mixed = (images * weight).Plus(Partners(images) * FixedScalars.One.Minus(weight));
        return (scope.MoveToOuter(mixed), scope.MoveToOuter(Column(shares)));

        Tensor Column(IEnumerable<double> values) => tensor([.. values.Select(value => (float)value)], device: pixels.device);
    }

    /// <summary>The partner of each row of a batch of images or labels.</summary>
    public static Tensor Partners(Tensor rows) => rows.roll(1, 0);

    // The weight of the image itself is 0 in the box and the second value outside.
    private static (PixelBox Box, double Outside) Draw(Augmentation augmentation, Random random, int width, int height)
    {
        if (augmentation.CutMix == 0 || (augmentation.Mixup > 0 && random.Next(2) == 0))
            return (default, random.Beta(augmentation.Mixup));

        double side = Math.Sqrt(1 - random.Beta(augmentation.CutMix));
        return (PixelBox.Around(random.Next(width), random.Next(height), (int)(width * side), (int)(height * side), width, height), 1);
    }
}
