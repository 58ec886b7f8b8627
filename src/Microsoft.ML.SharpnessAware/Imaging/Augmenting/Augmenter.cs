using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Applies an <see cref="Augmentation"/> to mini-batches. All that is random is drawn on the CPU, from a generator for each seed, epoch and
/// row; the arithmetic runs on the device.
/// </summary>
/// <param name="augmentation">What to do.</param>
/// <param name="seed">Decides, with epoch and row, what is drawn.</param>
/// <param name="white">The value of a white pixel: 255 for bytes.</param>
/// <param name="mean">Each channel's mean, in the units of the pixels: what cutout fills with.</param>
internal sealed class Augmenter(Augmentation augmentation, int seed, double white, IReadOnlyList<double> mean)
{
    private const int AugmentationStream = 2;

    /// <summary>
    /// Augments pixels [B, C, H, W] on the CPU; <paramref name="rows"/> says which rows of the data they are. The result is on
    /// <paramref name="device"/>, and belongs to the current dispose scope.
    /// </summary>
    public AugmentedBatch Apply(Tensor pixels, ReadOnlySpan<long> rows, int epoch, Device device)
    {
        if (augmentation == Augmentation.None)
            return new(pixels.to(device));

        var random = new Random[rows.Length];
        for (int i = 0; i < random.Length; i++)
            random[i] = SeededRandom.Create(seed, AugmentationStream, epoch, (int)rows[i]);

        Tensor images = ShiftAndFlip.Apply(pixels, augmentation.CropPadding, augmentation.HorizontalFlip, random).to(device);
        images = StepRunner.Run(images, Array.ConvertAll(random, own => Draw(own, (int)pixels.shape[3], (int)pixels.shape[2])), white);
        if (augmentation.Cutout > 0)
            images = Cutout.Apply(images, augmentation.Cutout, mean, random);
        if (!augmentation.MixesLabels)
            return new(images);
        (images, Tensor share) = LabelMixing.Apply(images, augmentation, random);
        return new(images, share);
    }

    private ImageSteps Draw(Random random, int width, int height)
    {
        var steps = new ImageSteps();
        if (augmentation.RandomResizedCrop is { } crop)
            steps.Add(AffineMap.Crop(crop.Draw(random, width, height), width, height));
        if (augmentation.Rotation > 0)
            steps.Add(AffineMap.Rotation(random.Between(-augmentation.Rotation, augmentation.Rotation)));
        augmentation.RandAugment?.Draw(random, width, height, steps);
        augmentation.ColorJitter?.Draw(random, steps);
        return steps;
    }
}
