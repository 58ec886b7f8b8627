using System.Globalization;
using System.Runtime.InteropServices;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Brightness, contrast, saturation and hue of an image are changed at random, in random order, by factors drawn evenly (torchvision's
/// ColorJitter). Grey images keep their greys: saturation and hue leave them alone.
/// </summary>
/// <param name="Brightness">The factor on every value is from 1 - b (at least 0) to 1 + b. Default 0: unchanged.</param>
/// <param name="Contrast">Likewise for the distance from the image's mean grey. Default 0.</param>
/// <param name="Saturation">Likewise for the distance from each pixel's grey. Default 0.</param>
/// <param name="Hue">The colours turn by -h to +h of the whole colour circle, h in [0, 0.5]. Default 0.</param>
public sealed record ColorJitter(double Brightness = 0, double Contrast = 0, double Saturation = 0, double Hue = 0)
{
    /// <summary>Greatest change of the factor on every value.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, infinite or not a number.</exception>
    public double Brightness { get; init => field = Require.NonNegative(value, nameof(Brightness)); } =
        Require.NonNegative(Brightness, nameof(Brightness));

    /// <summary>Greatest change of the factor on the distance from the image's mean grey.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, infinite or not a number.</exception>
    public double Contrast { get; init => field = Require.NonNegative(value, nameof(Contrast)); } =
        Require.NonNegative(Contrast, nameof(Contrast));

    /// <summary>Greatest change of the factor on the distance from each pixel's grey.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, infinite or not a number.</exception>
    public double Saturation { get; init => field = Require.NonNegative(value, nameof(Saturation)); } =
        Require.NonNegative(Saturation, nameof(Saturation));

    /// <summary>Greatest turn on the colour circle, in whole turns.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 0.5].</exception>
    public double Hue { get; init => field = Require.Within(value, 0, 0.5, nameof(Hue)); } = Require.Within(Hue, 0, 0.5, nameof(Hue));

    internal bool IsIdentity => Brightness == 0 && Contrast == 0 && Saturation == 0 && Hue == 0;

    /// <summary>The settings that are not zero, for logs.</summary>
    public override string ToString()
    {
        (string Name, double Value)[] all =
            [("brightness", Brightness), ("contrast", Contrast), ("saturation", Saturation), ("hue", Hue)];
        return string.Join(", ", all.Where(one => one.Value > 0)
            .Select(one => string.Create(CultureInfo.InvariantCulture, $"{one.Name} {one.Value}")));
    }

    internal void Draw(Random random, ImageSteps steps)
    {
        List<(ColorOperation Operation, double Strength)> drawn = [];
        Add(ColorOperations.Brightness, Brightness);
        Add(ColorOperations.Contrast, Contrast);
        Add(ColorOperations.Saturation, Saturation);
        if (Hue > 0)
            drawn.Add((ColorOperations.Hue, random.Between(-Hue, Hue)));
        random.Shuffle(CollectionsMarshal.AsSpan(drawn));
        foreach ((ColorOperation operation, double strength) in drawn)
            steps.Add(operation, strength);

        void Add(ColorOperation operation, double change)
        {
            if (change > 0)
                drawn.Add((operation, random.Between(Math.Max(0, 1 - change), 1 + change)));
        }
    }
}
