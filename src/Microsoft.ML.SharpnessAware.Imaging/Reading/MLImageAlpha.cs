using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Microsoft.ML.Data;
using SkiaSharp;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What the fourth byte of an <see cref="MLImage"/>'s pixels means, which its pixel format does not tell.</summary>
internal static class MLImageAlpha
{
    // IsoPad of ML.NET's ResizeImages may leave two rows at one end alone, by rounding.
    private const int MinMissingRows = 3;

    private static readonly bool CanAsk =
        typeof(MLImage).GetField("_image", BindingFlags.Instance | BindingFlags.NonPublic)?.FieldType == typeof(SKBitmap);

    /// <summary>
    /// Whether it is transparency. It is not in an image that was decoded from an opaque file or resized by padding or cropping, nor where
    /// a colour is larger than it, as no premultiplied colour can be (frames of cameras, pixels from elsewhere), nor where it is 0
    /// everywhere. Then colours are what ExtractPixels gives.
    /// </summary>
    /// <exception cref="InvalidDataException">The image was decoded from an opaque file, and not to the end.</exception>
    public static bool IsUsed(MLImage image)
    {
        ReadOnlySpan<uint> pixels = MemoryMarshal.Cast<byte, uint>(image.Pixels);
        if (!CanAsk || BitmapOf(image) is not { AlphaType: SKAlphaType.Opaque })
            return IsPremultiplied(pixels);
        CheckIsWhole(pixels, image.Width);
        return false;
    }

    private static bool IsPremultiplied(ReadOnlySpan<uint> pixels)
    {
        uint all = 0;
        int i = 0;
        for (; i <= pixels.Length - Vector256<uint>.Count; i += Vector256<uint>.Count)
        {
            Vector256<uint> eight = Vector256.Create(pixels[i..]), alpha = (eight >> 24) * 0x01010101;
            if (Vector256.Max(eight.AsByte(), alpha.AsByte()) != alpha.AsByte())
                return false;
            all |= eight == Vector256<uint>.Zero ? 0 : 1u;
        }

        for (; i < pixels.Length; i++)
        {
            uint alpha = pixels[i] >> 24;
            if (((pixels[i] >> 16) & 0xFF) > alpha || ((pixels[i] >> 8) & 0xFF) > alpha || (pixels[i] & 0xFF) > alpha)
                return false;
            all |= pixels[i];
        }

        return all != 0;
    }

    /// <summary>
    /// What a decoder has not filled is 0 in all four bytes, which an opaque pixel never is; padding and cropping leave such pixels too,
    /// but not several rows at one end of an image that has none elsewhere.
    /// </summary>
    private static void CheckIsWhole(ReadOnlySpan<uint> pixels, int width)
    {
        int first = pixels.IndexOfAnyExcept(0u), last = pixels.LastIndexOfAnyExcept(0u);
        (int above, int below) = first < 0 ? (pixels.Length / width, 0) : (first / width, (pixels.Length / width) - 1 - (last / width));
        if (Math.Min(above, below) > 0 || Math.Max(above, below) < MinMissingRows)
            return;
        foreach (uint pixel in pixels[(above * width)..^(below * width)])
        {
            if (pixel >> 24 != 0xFF)
                return;
        }

        throw new InvalidDataException(
            $"the image is truncated: {above + below} of its {pixels.Length / width} rows are missing, since it was decoded from a file " +
                "that is cut off.");
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_image")]
    private static extern ref SKBitmap? BitmapOf(MLImage image);
}
