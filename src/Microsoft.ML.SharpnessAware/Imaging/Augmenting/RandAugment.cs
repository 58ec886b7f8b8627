using System.Globalization;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// N operations on each image, drawn evenly and one after the other from fourteen, all at magnitude M (RandAugment, Cubuk et al. 2020).
/// </summary>
/// <param name="NumberOfOperations">N, from 0 to 14. Default 2, as in the paper for ImageNet.</param>
/// <param name="Magnitude">M, from 0 to 30. Default 9, as in the paper for ImageNet's ResNet-50.</param>
/// <remarks>
/// <para>
/// Operations and magnitudes are torchvision's table of 31 levels. At level M, with a sign drawn at random: shear along x or y by 0.01 M;
/// translation along x or y by 150/331 · M/30 of the side, in whole pixels; rotation by M degrees; brightness, colour, contrast and
/// sharpness by factors 1 ± 0.03 M. Without a sign: posterise to 8 - round(M / 7.5) bits; solarise from 1 - M/30 of white on. Without a
/// magnitude: identity, autocontrast, equalise.
/// </para>
/// <para>
/// Geometry is interpolated linearly, and what comes from outside the image is black. Grey images: colour leaves them alone.
/// </para>
/// </remarks>
public sealed record RandAugment(int NumberOfOperations = 2, int Magnitude = 9)
{
    internal const int MaxMagnitude = 30;

    // In torchvision's order, which a seed's draws depend on. An operation that is added here is drawn with the others.
    private static readonly Action<ImageSteps, Draws>[] Table =
    [
        (_, _) => { }, // identity
        (steps, draws) => steps.Add(AffineMap.ShearX(0.3 * draws.Signed, draws.Height)),
        (steps, draws) => steps.Add(AffineMap.ShearY(0.3 * draws.Signed, draws.Width)),
        (steps, draws) => steps.Add(AffineMap.Translation(Math.Truncate(150.0 / 331 * draws.Width * draws.Signed), 0)),
        (steps, draws) => steps.Add(AffineMap.Translation(0, Math.Truncate(150.0 / 331 * draws.Height * draws.Signed))),
        (steps, draws) => steps.Add(AffineMap.Rotation(30 * draws.Signed)),
        (steps, draws) => steps.Add(ColorOperations.Brightness, 1 + (0.9 * draws.Signed)),
        (steps, draws) => steps.Add(ColorOperations.Saturation, 1 + (0.9 * draws.Signed)),
        (steps, draws) => steps.Add(ColorOperations.Contrast, 1 + (0.9 * draws.Signed)),
        (steps, draws) => steps.Add(ColorOperations.Sharpness, 1 + (0.9 * draws.Signed)),
        (steps, draws) => steps.Add(ColorOperations.Posterize, 1 << (int)Math.Round(4 * draws.Level)),
        (steps, draws) => steps.Add(ColorOperations.Solarize, 1 - draws.Level),
        (steps, _) => steps.Add(ColorOperations.AutoContrast, 0),
        (steps, _) => steps.Add(ColorOperations.Equalize, 0),
    ];


    internal static int OperationCount => Table.Length;

    /// <summary>N, from 0 to 14.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 14].</exception>
    public int NumberOfOperations { get; init => field = Between(value, OperationCount, nameof(NumberOfOperations)); } =
        Between(NumberOfOperations, OperationCount, nameof(NumberOfOperations));

    /// <summary>M, from 0 to 30.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 30].</exception>
    public int Magnitude { get; init => field = Between(value, MaxMagnitude, nameof(Magnitude)); } =
        Between(Magnitude, MaxMagnitude, nameof(Magnitude));

    /// <summary>N and M, for logs.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{NumberOfOperations}, {Magnitude}");

    internal void Draw(Random random, int width, int height, ImageSteps steps)
    {
        for (int i = 0; i < NumberOfOperations; i++)
            Add(random.Next(OperationCount), sign: random.Next(2) == 0 ? 1 : -1, width, height, steps);
    }

    /// <summary>Adds operation <paramref name="index"/> of the table to an image's steps.</summary>
    internal void Add(int index, int sign, int width, int height, ImageSteps steps)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Table.Length, nameof(index));
        double level = (double)Magnitude / MaxMagnitude;
        Table[index](steps, new Draws(level, sign * level, width, height));
    }

    private static int Between(int value, int maximum, string name) => value >= 0 && value <= maximum
        ? value
        : throw new ArgumentOutOfRangeException(name, value, $"{name} must be 0 to {maximum}.");

    /// <summary>What was drawn: the strength in [0, 1], the same with a sign, and the image's size.</summary>
    private readonly record struct Draws(double Level, double Signed, int Width, int Height);
}
