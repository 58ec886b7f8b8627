namespace Microsoft.ML.SharpnessAware;

/// <summary>Exact tails of the binomial distribution, and the bounds of a share that follow from them (Clopper and Pearson 1934).</summary>
internal static class BinomialTail
{
    private const int Bisections = 60;

    /// <summary>P(X ≤ k) for X of <paramref name="n"/> trials that succeed with probability <paramref name="p"/> each.</summary>
    public static double AtMost(long k, long n, double p)
    {
        if (k < 0)
            return 0;
        if (k >= n || p <= 0)
            return 1;
        if (p >= 1)
            return 0;
        if (k > n * p)
            return 1 - AtMost(n - k - 1, n, 1 - p);     // the shorter tail
        double term = Math.Exp(LogGamma(n + 1) - LogGamma(k + 1) - LogGamma(n - k + 1) + k * Math.Log(p) + (n - k) * Math.Log(1 - p));
        double sum = 0;
        for (long i = k; i >= 0 && term > sum * 1e-17; i--)
        {
            sum += term;
            term *= i / (n - i + 1.0) * (1 - p) / p;
        }

        return Math.Min(sum, 1);
    }

    /// <summary>The largest p for which at most <paramref name="k"/> successes are not yet less likely than <paramref
    /// name="level"/>.</summary>
    public static double UpperBound(long k, long n, double level)
    {
        if (k >= n)
            return 1;
        double low = (double)k / n, high = 1;
        for (int i = 0; i < Bisections; i++)
        {
            double middle = (low + high) / 2;
            (low, high) = AtMost(k, n, middle) >= level ? (middle, high) : (low, middle);
        }

        return high;
    }

    /// <summary>
    /// The share that k of n tells of, with its exact interval: all probabilities under which neither so many nor so few successes are
    /// rare. It holds the true one at least as often as asked, whatever n is; the whole of [0, 1] for n = 0.
    /// </summary>
    public static ConfidenceInterval Interval(long k, long n, double confidenceLevel = 0.95)
    {
        double tail = (1 - confidenceLevel) / 2;
        return n == 0 ? new ConfidenceInterval(double.NaN, 0, 1)
            : new ConfidenceInterval((double)k / n, 1 - UpperBound(n - k, n, tail), UpperBound(k, n, tail));
    }

    /// <summary>Stirling's series, where it is good to 1e-13.</summary>
    private static double LogGamma(double x)
    {
        double shift = 0;
        for (; x < 12; x++)
            shift -= Math.Log(x);
        double y = 1 / (x * x);
        return shift + (x - 0.5) * Math.Log(x) - x + 0.5 * Math.Log(2 * Math.PI) +
            (1.0 / 12 - y * (1.0 / 360 - y * (1.0 / 1260 - y / 1680))) / x;
    }
}
