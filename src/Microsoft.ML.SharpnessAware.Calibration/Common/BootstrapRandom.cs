namespace Microsoft.ML.SharpnessAware;

/// <summary>Random numbers for resampling that depend on the seed alone (<see cref="SplitMix64"/>).</summary>
internal sealed class BootstrapRandom(int seed, int stream)
{
    // From this variance on a binomial number is drawn as a normal one with its skewness; below, exactly.
    private const double NormalFromVariance = 100;

    private ulong _state = ((ulong)(uint)seed << 32) | (uint)stream;

    /// <summary>Uniform on [0, 1), 53 bits.</summary>
    public double NextDouble() => (SplitMix64.Next(ref _state) >> 11) * (1.0 / (1L << 53));

    /// <summary>Normal with mean 0 and variance 1 (Marsaglia's polar method).</summary>
    public double NextNormal()
    {
        while (true)
        {
            double u = 2 * NextDouble() - 1;
            double v = 2 * NextDouble() - 1;
            double square = u * u + v * v;
            if (square is > 0 and < 1)
                return u * Math.Sqrt(-2 * Math.Log(square) / square);
        }
    }

    /// <summary>A gamma number of scale 1 (Marsaglia and Tsang 2000, "A simple method for generating gamma variables"); 0 for a shape of
    /// 0.</summary>
    public double NextGamma(double shape)
    {
        if (shape <= 0)
            return 0;
        if (shape < 1)
            return NextGamma(shape + 1) * Math.Pow(1 - NextDouble(), 1 / shape);
        double d = shape - 1.0 / 3;
        double c = 1 / Math.Sqrt(9 * d);
        while (true)
        {
            double z = NextNormal();
            double root = 1 + c * z;
            double cube = root * root * root;
            if (root > 0 && Math.Log(1 - NextDouble()) < z * z / 2 + d - d * cube + d * Math.Log(cube))
                return d * cube;
        }
    }

    /// <summary>The number of successes in <paramref name="trials"/> trials.</summary>
    public long NextBinomial(long trials, double probability)
    {
        if (probability > 0.5)
            return trials - NextBinomial(trials, 1 - probability);
        if (trials == 0 || probability <= 0)
            return 0;

        double variance = trials * probability * (1 - probability);
        return variance < NormalFromVariance ? BinomialByInversion(trials, probability) : BinomialFromNormal(trials, probability, variance);
    }

    /// <summary>Adds up the probabilities of 0, 1, 2, … until they exceed a uniform number.</summary>
    private long BinomialByInversion(long trials, double probability)
    {
        double odds = probability / (1 - probability);
        double term = Math.Exp(trials * double.LogP1(-probability));
        double left = NextDouble();
        long successes = 0;
        while (left >= term && successes < trials)
        {
            left -= term;
            successes++;
            term *= odds * (trials - successes + 1) / successes;
        }

        return successes;
    }

    /// <summary>The first two terms of the Cornish-Fisher expansion, rounded.</summary>
    private long BinomialFromNormal(long trials, double probability, double variance)
    {
        double deviation = Math.Sqrt(variance);
        double z = NextNormal();
        z += (1 - 2 * probability) / (6 * deviation) * (z * z - 1);
        return (long)Math.Clamp(Math.Round(trials * probability + deviation * z), 0, trials);
    }
}
