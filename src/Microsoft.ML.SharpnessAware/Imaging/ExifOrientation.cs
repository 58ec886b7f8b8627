using SkiaSharp;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Turns stored pixels the way a camera says they are to be looked at (the EXIF tag Orientation).</summary>
internal static class ExifOrientation
{
    /// <summary>Whether rows become columns, so that width and height change places.</summary>
    public static bool SwapsSides(this SKEncodedOrigin origin) => origin >= SKEncodedOrigin.LeftTop;

    /// <summary>Copies one plane, <paramref name="width"/> × <paramref name="height"/> as stored, to how it is to be seen.</summary>
    public static void Apply(this SKEncodedOrigin origin, ReadOnlySpan<byte> stored, int width, int height, Span<byte> seen)
    {
        // Index in the seen plane of the stored pixel (0, 0), and how it moves with each stored column and row.
        int seenWidth = origin.SwapsSides() ? height : width;
        int right = seenWidth - 1;
        int bottom = (stored.Length / seenWidth - 1) * seenWidth;
        (int first, int column, int row) = origin switch
        {
            SKEncodedOrigin.TopRight => (right, -1, seenWidth),
            SKEncodedOrigin.BottomRight => (bottom + right, -1, -seenWidth),
            SKEncodedOrigin.BottomLeft => (bottom, 1, -seenWidth),
            SKEncodedOrigin.LeftTop => (0, seenWidth, 1),
            SKEncodedOrigin.RightTop => (right, seenWidth, -1),
            SKEncodedOrigin.RightBottom => (bottom + right, -seenWidth, -1),
            SKEncodedOrigin.LeftBottom => (bottom, -seenWidth, 1),
            _ => (0, 1, seenWidth),
        };

        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
                seen[first + (x * column) + (y * row)] = stored[(y * width) + x];
        }
    }
}
