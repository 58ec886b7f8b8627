namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Where in the image before a change each pixel of the image after it comes from: (X(x, y), Y(x, y)) in pixels, x to the right and y down
/// from the image's centre.
/// </summary>
internal readonly record struct AffineMap(double XX, double XY, double X0, double YX, double YY, double Y0)
{
    public static AffineMap Identity { get; } = new(1, 0, 0, 0, 1, 0);

    /// <summary>The part of a width × height image in <paramref name="box"/> fills it.</summary>
    public static AffineMap Crop(PixelBox box, int width, int height) => new(
        (double)box.Width / width, 0, (box.Left + box.Right - width) / 2.0,
        0, (double)box.Height / height, (box.Top + box.Bottom - height) / 2.0);

    /// <summary>The image turns counter-clockwise about its centre.</summary>
    public static AffineMap Rotation(double degrees)
    {
        (double sin, double cos) = Math.SinCos(degrees * Math.PI / 180);
        return new(cos, -sin, 0, sin, cos, 0);
    }

    /// <summary>The image moves.</summary>
    public static AffineMap Translation(double right, double down) => new(1, 0, -right, 0, 1, -down);

    /// <summary>Rows move to the left in proportion to their distance from the top edge.</summary>
    public static AffineMap ShearX(double slope, int height) => new(1, slope, slope * height / 2, 0, 1, 0);

    /// <summary>Columns move up in proportion to their distance from the left edge.</summary>
    public static AffineMap ShearY(double slope, int width) => new(1, 0, 0, slope, 1, slope * width / 2);

    /// <summary>This change and <paramref name="next"/> after it, as one.</summary>
    public AffineMap Then(AffineMap next) => new(
        (XX * next.XX) + (XY * next.YX), (XX * next.XY) + (XY * next.YY), (XX * next.X0) + (XY * next.Y0) + X0,
        (YX * next.XX) + (YY * next.YX), (YX * next.XY) + (YY * next.YY), (YX * next.X0) + (YY * next.Y0) + Y0);
}
