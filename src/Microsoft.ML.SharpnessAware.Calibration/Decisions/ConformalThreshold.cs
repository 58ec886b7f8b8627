namespace Microsoft.ML.SharpnessAware;

/// <summary>The quantile of split conformal prediction (Papadopoulos et al. 2002; Vovk et al. 2005).</summary>
internal static class ConformalThreshold
{
    // (n + 1) · 0.9 is not exactly a whole number where it should be one.
    private const double Rounding = 1e-9;

    /// <summary>The ⌈(n + 1) · coverage⌉-th smallest of n scores, whose order is changed here; infinite where that is more than
    /// n.</summary>
    public static double Of(Span<double> scores, double coverage)
    {
        double rank = Rank(scores.Length, coverage);
        if (rank > scores.Length)
            return double.PositiveInfinity;
        scores.Sort();
        return scores[Math.Max((int)rank, 1) - 1];
    }

    /// <summary>⌈(n + 1) · coverage⌉: which of n scores in order is the threshold, if there are so many.</summary>
    public static double Rank(double rows, double coverage) => Math.Ceiling((rows + 1) * coverage - Rounding);

    /// <summary>The fewest rows whose threshold is finite.</summary>
    public static int RowsNeeded(double coverage)
    {
        // About coverage / (1 − coverage), whose last bits near 1 can be a row off.
        double rows = Math.Floor(coverage / (1 - coverage));
        if (rows >= int.MaxValue)
            return int.MaxValue;
        while (rows > 0 && Rank(rows - 1, coverage) <= rows - 1)
            rows--;
        while (Rank(rows, coverage) > rows)
            rows++;
        return (int)rows;
    }
}
