namespace Microsoft.ML.SharpnessAware;

/// <summary>The quantile of split conformal prediction (Papadopoulos et al. 2002; Vovk et al. 2005).</summary>
internal static class ConformalThreshold
{
    // (n + 1) · 0.9 is not exactly a whole number where it should be one.
    private const double Rounding = 1e-9;

    /// <summary>The ⌈(n + 1) · coverage⌉-th smallest of n scores, which are sorted here; infinite where that is more than n.</summary>
    public static double Of(double[] scores, double coverage)
    {
        Array.Sort(scores);
        double rank = Math.Ceiling((scores.Length + 1) * coverage - Rounding);
        return rank <= scores.Length ? scores[Math.Max((int)rank, 1) - 1] : double.PositiveInfinity;
    }

    /// <summary>The fewest rows whose threshold is finite.</summary>
    public static int RowsNeeded(double coverage) => (int)Math.Min(int.MaxValue, Math.Ceiling(coverage / (1 - coverage) - Rounding));
}
