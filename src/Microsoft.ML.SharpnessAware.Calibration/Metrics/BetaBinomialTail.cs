using MathNet.Numerics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Exact tails of the number of successes where their probability is itself a draw, from a beta distribution.</summary>
internal static class BetaBinomialTail
{
    /// <summary>P(X ≤ k) for X of <paramref name="n"/> trials that succeed with a probability from Beta(<paramref name="a"/>, <paramref
    /// name="b"/>).</summary>
    public static double AtMost(long k, long n, double a, double b)
    {
        if (k < 0)
            return 0;
        if (k >= n)
            return 1;
        if (k > n * a / (a + b))
            return 1 - AtMost(n - k - 1, n, b, a);      // the shorter tail
        double term = Math.Exp(SpecialFunctions.GammaLn(n + 1.0) - SpecialFunctions.GammaLn(k + 1.0) - SpecialFunctions.GammaLn(n - k + 1.0)
            + LogBeta(k + a, n - k + b) - LogBeta(a, b));
        double sum = 0;
        for (long i = k; i >= 0 && term > sum * 1e-17; i--)
        {
            sum += term;
            term *= i / (n - i + 1.0) * ((n - i + b) / (i - 1 + a));
        }

        return Math.Min(sum, 1);
    }

    private static double LogBeta(double a, double b) =>
        SpecialFunctions.GammaLn(a) + SpecialFunctions.GammaLn(b) - SpecialFunctions.GammaLn(a + b);
}
