using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Random changes to training images that leave their class alone, drawn anew for every image and epoch. A network that never sees quite the same
/// image twice overfits less. Validation and scoring never use it.
/// </summary>
/// <remarks>The values to start from are <see cref="None"/>, <see cref="Flip"/> and <see cref="Standard"/>.</remarks>
public sealed record Augmentation
{
    private readonly int _cropPadding;

    /// <summary>The images as they are: for digits, letters and whatever else must not be mirrored or cut.</summary>
    public static Augmentation None { get; } = new();

    /// <summary>Half of the images are mirrored left to right.</summary>
    public static Augmentation Flip { get; } = new() { HorizontalFlip = true };

    /// <summary>
    /// Mirrored, and shifted by up to 4 pixels: what residual networks are trained with on 32 × 32 images since He et al. 2016, §4.2. Larger images
    /// deserve a larger <see cref="CropPadding"/>, about an eighth of their side.
    /// </summary>
    public static Augmentation Standard { get; } = new() { HorizontalFlip = true, CropPadding = 4 };

    /// <summary>Mirrors each image left to right with probability one half. Default false.</summary>
    public bool HorizontalFlip { get; init; }

    /// <summary>
    /// Shifts each image by a whole number of pixels from -CropPadding to +CropPadding, independently in both directions: the image is padded with
    /// zeros (black) and cut back to its size at random. Default 0: no shift.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative or above 1024.</exception>
    public int CropPadding
    {
        get => _cropPadding;
        init => _cropPadding = value is >= 0 and <= 1024
            ? value
            : throw new ArgumentOutOfRangeException(nameof(CropPadding), value, "CropPadding must be 0 to 1024 pixels.");
    }

    /// <summary>
    /// Changes a batch [B, C, H, W] of any pixel type, on the device it is on. The draws come image by image from <paramref name="random"/>, so
    /// nothing else decides them. Returns the batch itself when there is nothing to do, else a new tensor.
    /// </summary>
    internal Tensor Apply(Tensor pixels, Random random)
    {
        if (this == None)
            return pixels;

        long[] tops = new long[pixels.shape[0]];
        long[] lefts = new long[tops.Length];
        bool[] flips = new bool[tops.Length];
        for (int i = 0; i < tops.Length; i++)
        {
            tops[i] = random.Next((2 * CropPadding) + 1);
            lefts[i] = random.Next((2 * CropPadding) + 1);
            flips[i] = HorizontalFlip && random.Next(2) == 1;
        }

        return Crop(pixels, CropPadding, tops, lefts, flips);
    }

    // Each image is cut from the padded batch by the rows and columns it takes; a mirrored image takes its columns backwards.
    private static Tensor Crop(Tensor pixels, int padding, long[] tops, long[] lefts, bool[] flips)
    {
        using var scope = NewDisposeScope();
        (long batch, long channels, long height, long width) = (pixels.shape[0], pixels.shape[1], pixels.shape[2], pixels.shape[3]);
        long paddedWidth = width + (2 * padding);
        Tensor padded = padding == 0 ? pixels : nn.functional.pad(pixels, [padding, padding, padding, padding]);

        long[] firsts = [.. lefts.Select((left, i) => flips[i] ? left + width - 1 : left)];
        long[] steps = [.. flips.Select(flip => flip ? -1L : 1L)];
        Tensor rows = PerImage(tops) + arange(height, device: pixels.device).view(1, -1, 1);
        Tensor columns = PerImage(firsts) + (PerImage(steps) * arange(width, device: pixels.device).view(1, 1, -1));
        Tensor index = (rows * paddedWidth).add(columns).view(batch, 1, height * width).expand(batch, channels, height * width);
        return padded.reshape(batch, channels, -1).gather(2, index).view(batch, channels, height, width).MoveToOuterDisposeScope();

        Tensor PerImage(long[] values) => tensor(values, [batch, 1, 1], device: pixels.device);
    }
}
