using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Random changes to training images that leave their class alone, drawn anew for every image and epoch. A network that never sees quite
/// the same image twice overfits less. Validation and scoring never use it.
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
    /// Mirrored, and shifted by up to 4 pixels: what residual networks are trained with on 32 × 32 images since He et al. 2016, §4.2.
    /// Larger images deserve a larger <see cref="CropPadding"/>, about an eighth of their side.
    /// </summary>
    public static Augmentation Standard { get; } = new() { HorizontalFlip = true, CropPadding = 4 };

    /// <summary>Mirrors each image left to right with probability one half. Default false.</summary>
    public bool HorizontalFlip { get; init; }

    /// <summary>
    /// Shifts each image by a whole number of pixels from -CropPadding to +CropPadding, independently in both directions: the image is
    /// padded with zeros (black) and cut back to its size at random. Default 0: no shift.
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
    /// Changes a batch [B, C, H, W] of bytes or floats on the CPU, before it goes to a device. The draws come image by image from
    /// <paramref name="random"/>, so nothing else decides them. Returns the batch itself when there is nothing to do, else a new tensor.
    /// </summary>
    internal Tensor Apply(Tensor pixels, Random random)
    {
        if (this == None)
            return pixels;
        if (pixels.device_type != TorchSharp.DeviceType.CPU || !pixels.is_contiguous())
            throw new ArgumentException("Images are augmented as contiguous tensors on the CPU.", nameof(pixels));

        Tensor result = zeros_like(pixels);
        if (pixels.dtype == ScalarType.Byte)
            Apply(pixels.bytes, result.bytes, pixels.shape, random);
        else
            Apply(MemoryMarshal.Cast<byte, float>(pixels.bytes), MemoryMarshal.Cast<byte, float>(result.bytes), pixels.shape, random);
        return result;
    }

    // Whole rows are copied, many times faster on the CPU than to gather single pixels. The target is zero where no row comes to lie.
    private void Apply<T>(ReadOnlySpan<T> source, Span<T> target, long[] shape, Random random)
    {
        (int channels, int height, int width) = ((int)shape[1], (int)shape[2], (int)shape[3]);
        int imageSize = channels * height * width;
        for (int image = 0; image < shape[0]; image++)
        {
            int down = random.Next(-CropPadding, CropPadding + 1);
            int right = random.Next(-CropPadding, CropPadding + 1);
            bool flip = HorizontalFlip && random.Next(2) == 1;
            if (Math.Abs(down) >= height || Math.Abs(right) >= width)
                continue; // nothing of the image is left

            for (int plane = image * imageSize; plane < (image + 1) * imageSize; plane += height * width)
            {
                for (int y = Math.Max(0, down); y < Math.Min(height, height + down); y++)
                {
                    ReadOnlySpan<T> from = source.Slice(plane + ((y - down) * width), width);
                    Span<T> to = target.Slice(plane + (y * width), width);
                    if (right >= 0)
                        from[..^right].CopyTo(to[right..]);
                    else
                        from[-right..].CopyTo(to);
                    if (flip)
                        to.Reverse();
                }
            }
        }
    }
}
