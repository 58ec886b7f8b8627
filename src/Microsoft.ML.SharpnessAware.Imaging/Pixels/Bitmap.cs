using SkiaSharp;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The order of a pixel's bytes.</summary>
internal enum BitmapFormat
{
    Grey,
    Rgba,
    Bgra,
}

/// <summary>Decoded pixels, somewhere in memory, row by row.</summary>
internal readonly ref struct Bitmap(ReadOnlySpan<byte> pixels, int width, int height, int rowBytes, BitmapFormat format)
{
    private readonly ReadOnlySpan<byte> _pixels = pixels;

    public int Width => width;

    public int Height => height;

    /// <summary>
    /// The width of the image in these pixels: not whole where decoding to a smaller size left part of the last column over.
    /// </summary>
    public double ImageWidth { get; init; } = width;

    /// <summary>The height of the image, likewise.</summary>
    public double ImageHeight { get; init; } = height;

    /// <summary>Whether each of these pixels is the average of several of the image.</summary>
    public bool IsReduced { get; init; }

    public BitmapFormat Format => format;

    /// <summary>Whether a fourth byte is alpha, which colours are premultiplied with; else it says nothing and is ignored.</summary>
    public bool HasAlpha { get; init; } = true;

    /// <summary>How the image is to be turned once it is resized.</summary>
    public SKEncodedOrigin Origin { get; init; } = SKEncodedOrigin.TopLeft;

    public ReadOnlySpan<byte> Row(int y) => _pixels.Slice(y * rowBytes, width * (format == BitmapFormat.Grey ? 1 : 4));
}
