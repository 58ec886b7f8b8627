using MathNet.Numerics.Distributions;

namespace MLSharpness.Evidence.Summary;

/// <summary>
/// What share one mean is of another, over pairs with the same seed, with the 95 % interval of Fieller (1954). Where the mean that it is a
/// share of cannot be told from 0, no share can be told either.
/// </summary>
internal sealed record Share(double Ratio, double Lower, double Upper)
{
    /// <param name="pairs">Each seed's part and whole.</param>
    public static Share Of(IReadOnlyList<(double Part, double Whole)> pairs)
    {
        double part = pairs.Average(pair => pair.Part), whole = pairs.Average(pair => pair.Whole), ratio = part / whole;
        int n = pairs.Count;
        if (n < 2)
            return new(ratio, double.NaN, double.NaN);

        // The values r for which the mean of part − r · whole cannot be told from 0: the roots of a quadratic.
        double t = StudentT.InvCDF(location: 0, scale: 1, freedom: n - 1, 0.975), scale = t * t / (n - 1) / n;
        double ofPart = scale * pairs.Sum(pair => (pair.Part - part) * (pair.Part - part));
        double ofWhole = scale * pairs.Sum(pair => (pair.Whole - whole) * (pair.Whole - whole));
        double ofBoth = scale * pairs.Sum(pair => (pair.Part - part) * (pair.Whole - whole));
        double a = (whole * whole) - ofWhole, b = (part * whole) - ofBoth, c = (part * part) - ofPart;
        if (a <= 0)
            return new(double.NaN, double.NaN, double.NaN);
        double root = Math.Sqrt(Math.Max(0, (b * b) - (a * c)));
        return new(ratio, (b - root) / a, (b + root) / a);
    }

    /// <summary>Percent with the interval; a dash where there is nothing to have a share of.</summary>
    public string Text => double.IsNaN(Ratio) ? "–"
        : double.IsNaN(Lower) ? Percent(Ratio)
        : $"{Percent(Ratio)} [{Percent(Lower)}, {Percent(Upper)}]";

    private static string Percent(double share) => (100 * share).ToString("0;−0;0") + " %";
}
