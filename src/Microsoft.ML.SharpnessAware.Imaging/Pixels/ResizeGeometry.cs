namespace Microsoft.ML.SharpnessAware;

/// <summary>Which part of an image, in fractions of pixels, fills which rectangle of the target.</summary>
internal readonly record struct ResizeGeometry(double Left, double Top, double Width, double Height, PixelBox Target)
{
    /// <summary>Target pixels for each source pixel, along the axis that has more of them.</summary>
    public double Scale => Math.Max(Target.Width / Width, Target.Height / Height);

    /// <summary>The same seen from behind, from below, or both: what is left over of padding by one pixel changes sides.</summary>
    public ResizeGeometry Mirrored(bool columns, bool rows, int width, int height) => this with
    {
        Target = PixelBox.Of(columns ? width - Target.Right : Target.Left, rows ? height - Target.Bottom : Target.Top, Target.Width,
            Target.Height),
    };

    public static ResizeGeometry Of(ResizingKind resizing, double sourceWidth, double sourceHeight, int width, int height)
    {
        PixelBox all = PixelBox.Of(0, 0, width, height);
        (double horizontal, double vertical) = (width / sourceWidth, height / sourceHeight);
        switch (resizing)
        {
            case ResizingKind.IsoCrop:
                double larger = Math.Max(horizontal, vertical);
                (double w, double h) = (Math.Min(sourceWidth, width / larger), Math.Min(sourceHeight, height / larger));
                return new((sourceWidth - w) / 2, (sourceHeight - h) / 2, w, h, all);
            case ResizingKind.IsoPad:
                double smaller = Math.Min(horizontal, vertical);
                int fitWidth = Math.Clamp((int)Math.Round(sourceWidth * smaller), 1, width);
                int fitHeight = Math.Clamp((int)Math.Round(sourceHeight * smaller), 1, height);
                PixelBox middle = PixelBox.Of((width - fitWidth) / 2, (height - fitHeight) / 2, fitWidth, fitHeight);
                return new(0, 0, sourceWidth, sourceHeight, middle);
            default:
                return new(0, 0, sourceWidth, sourceHeight, all);
        }
    }
}
