using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Pad-and-crop and mirroring: changes that move pixels and interpolate nothing.</summary>
internal static class ShiftAndFlip
{
    /// <summary>
    /// Changes a batch [B, C, H, W] of bytes or floats on the CPU, before it goes to a device. The draws come image by image from each
    /// image's generator. Returns the batch itself when there is nothing to do, else a new tensor.
    /// </summary>
    public static Tensor Apply(Tensor pixels, int padding, bool mayFlip, IReadOnlyList<Random> random)
    {
        if (padding == 0 && !mayFlip)
            return pixels;
        if (pixels.device_type != TorchSharp.DeviceType.CPU || !pixels.is_contiguous())
            throw new ArgumentException("Images are shifted and flipped as contiguous tensors on the CPU.", nameof(pixels));

        Tensor result = zeros_like(pixels);
        if (pixels.dtype == ScalarType.Byte)
            Apply(pixels.bytes, result.bytes, pixels.shape, padding, mayFlip, random);
        else
            Apply(
                MemoryMarshal.Cast<byte, float>(pixels.bytes), MemoryMarshal.Cast<byte, float>(result.bytes), pixels.shape, padding,
                    mayFlip, random);
        return result;
    }

    // Whole rows are copied, many times faster on the CPU than to gather single pixels. The target is zero where no row comes to lie.
    private static void Apply<T>(
        ReadOnlySpan<T> source, Span<T> target, long[] shape, int padding, bool mayFlip, IReadOnlyList<Random> random)
    {
        (int channels, int height, int width) = ((int)shape[1], (int)shape[2], (int)shape[3]);
        int imageSize = channels * height * width;
        for (int image = 0; image < shape[0]; image++)
        {
            int down = random[image].Next(-padding, padding + 1);
            int right = random[image].Next(-padding, padding + 1);
            bool flip = mayFlip && random[image].Next(2) == 1;
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
