using MathNet.Numerics.Distributions;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The exact interval of a share (Clopper and Pearson 1934): all probabilities under which neither so many nor so few successes
/// are rare. It holds the true one at least as often as asked, whatever the number of trials.</summary>
internal static class ClopperPearson
{
    public static ConfidenceInterval Interval(long successes, long trials, double confidenceLevel)
    {
        double tail = (1 - confidenceLevel) / 2;
        return new ConfidenceInterval(successes / (double)trials, Lower(successes, trials, tail), Upper(successes, trials, tail));
    }

    /// <summary>The smallest probability under which at least so many successes come with a probability of <paramref
    /// name="tail"/>.</summary>
    public static double Lower(long successes, long trials, double tail) =>
        successes == 0 ? 0 : Beta.InvCDF(successes, trials - successes + 1, tail);

    /// <summary>The largest probability under which at most so many successes come with a probability of <paramref name="tail"/>.</summary>
    public static double Upper(long successes, long trials, double tail) =>
        successes == trials ? 1 : Beta.InvCDF(successes + 1, trials - successes, 1 - tail);
}
