namespace Microsoft.ML.SharpnessAware;

/// <summary>A rectangle of whole pixels: from Left and Top up to, but without, Right and Bottom.</summary>
internal readonly record struct PixelBox(int Left, int Top, int Right, int Bottom)
{
    public int Width => Right - Left;

    public int Height => Bottom - Top;

    public static PixelBox Of(int left, int top, int width, int height) => new(left, top, left + width, top + height);

    /// <summary>The part inside an image of a rectangle of the given size about a pixel of it.</summary>
    public static PixelBox Around(int x, int y, int boxWidth, int boxHeight, int width, int height)
    {
        (int left, int top) = (x - (boxWidth / 2), y - (boxHeight / 2));
        return new(Math.Max(0, left), Math.Max(0, top), Math.Min(width, left + boxWidth), Math.Min(height, top + boxHeight));
    }
}
