using System.Globalization;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A part of random size, shape and place is cut out of an image and enlarged to the image's size ("inception-style" crop, Szegedy et al.
/// 2015; torchvision's RandomResizedCrop).
/// </summary>
/// <param name="MinimumScale">
/// Smallest share of the area, in (0, 1]. Default 0.08, the field's habit for ImageNet; small images want more.
/// </param>
/// <param name="MaximumScale">Largest share of the area, in (0, 1]. Default 1.</param>
/// <param name="MaximumRatio">
/// Largest ratio of width to height, from 1 on; the smallest is its inverse, and between them the logarithm is drawn evenly. Default 4/3.
/// </param>
/// <remarks>
/// Images are kept in the size that they are trained in, so a crop of share s is enlarged by 1/√s and shows no more detail than before.
/// </remarks>
public sealed record RandomResizedCrop(double MinimumScale = 0.08, double MaximumScale = 1, double MaximumRatio = 4.0 / 3)
{
    private const int Attempts = 10;

    /// <summary>Smallest share of the area, in (0, 1]; where it is above <see cref="MaximumScale"/> both change places.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not in [0.0001, 1].</exception>
    public double MinimumScale { get; init => field = Require.Within(value, 1e-4, 1, nameof(MinimumScale)); } =
        Require.Within(MinimumScale, 1e-4, 1, nameof(MinimumScale));

    /// <summary>Largest share of the area, in (0, 1].</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not in [0.0001, 1].</exception>
    public double MaximumScale { get; init => field = Require.Within(value, 1e-4, 1, nameof(MaximumScale)); } =
        Require.Within(MaximumScale, 1e-4, 1, nameof(MaximumScale));

    /// <summary>Largest ratio of width to height; the smallest is its inverse.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not in [1, 100].</exception>
    public double MaximumRatio { get; init => field = Require.Within(value, 1, 100, nameof(MaximumRatio)); } =
        Require.Within(MaximumRatio, 1, 100, nameof(MaximumRatio));

    /// <summary>The settings, for logs.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"scale {MinimumScale}–{MaximumScale}, ratio up to {MaximumRatio:0.###}");

    /// <summary>
    /// The part of a width × height image: ten attempts to find one that fits in, then the largest in the middle of an allowed ratio, as
    /// torchvision does.
    /// </summary>
    internal PixelBox Draw(Random random, int width, int height)
    {
        double area = (double)width * height;
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            double target = area * random.Between(MinimumScale, MaximumScale);
            double ratio = Math.Exp(random.Between(-Math.Log(MaximumRatio), Math.Log(MaximumRatio)));
            int w = (int)Math.Round(Math.Sqrt(target * ratio)), h = (int)Math.Round(Math.Sqrt(target / ratio));
            if (w >= 1 && w <= width && h >= 1 && h <= height)
                return PixelBox.Of(random.Next(width - w + 1), random.Next(height - h + 1), w, h);
        }

        double whole = Math.Clamp((double)width / height, 1 / MaximumRatio, MaximumRatio);
        (int widest, int highest) = whole * height < width
            ? ((int)Math.Round(whole * height), height)
            : (width, (int)Math.Round(width / whole));
        return PixelBox.Of((width - widest) / 2, (height - highest) / 2, widest, highest);
    }
}
