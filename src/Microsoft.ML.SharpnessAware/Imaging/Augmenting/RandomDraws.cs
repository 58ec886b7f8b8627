namespace Microsoft.ML.SharpnessAware;

/// <summary>Draws that <see cref="Random"/> does not offer.</summary>
internal static class RandomDraws
{
    /// <summary>Evenly between two numbers.</summary>
    public static double Between(this Random random, double from, double to) => from + ((to - from) * random.NextDouble());

    /// <summary>
    /// From the beta distribution B(α, α), α > 0: X/(X + Y) of two gamma variables, by their logarithms, which do not underflow.
    /// </summary>
    public static double Beta(this Random random, double alpha) =>
        1 / (1 + Math.Exp(random.LogGamma(alpha) - random.LogGamma(alpha)));

    /// <summary>The logarithm of a draw from the gamma distribution Γ(α, 1), after Marsaglia and Tsang 2000.</summary>
    private static double LogGamma(this Random random, double alpha)
    {
        if (alpha < 1)
            return random.LogGamma(alpha + 1) + (Math.Log(random.Positive()) / alpha); // Γ(α) is Γ(α + 1) U^(1/α)

        double d = alpha - (1.0 / 3), c = 1 / Math.Sqrt(9 * d);
        while (true)
        {
            double x = random.Normal(), v = Math.Pow(1 + (c * x), 3);
            if (v > 0 && Math.Log(random.Positive()) < (x * x / 2) + (d * (1 - v + Math.Log(v))))
                return Math.Log(d * v);
        }
    }

    // Box and Muller 1958.
    private static double Normal(this Random random) =>
        Math.Sqrt(-2 * Math.Log(random.Positive())) * Math.Cos(2 * Math.PI * random.NextDouble());

    private static double Positive(this Random random) => 1 - random.NextDouble();
}
