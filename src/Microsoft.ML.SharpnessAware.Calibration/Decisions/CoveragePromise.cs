namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What chance allows the coverage of sets that keep their promise to be. Given the n rows that a threshold is fitted on, the coverage is a
/// draw from Beta(k, n + 1 − k), with the threshold the k-th smallest score of them (Vovk 2012, "Conditional validity of inductive
/// conformal predictors"), and the rows that are measured add chance of their own.
/// </summary>
internal static class CoveragePromise
{
    /// <summary>How likely it is that so few or fewer rows, and so many or more, are covered; null where the column does not tell how many
    /// rows each threshold was fitted on, or one promises nothing.</summary>
    public static (double AsFew, double AsMany)? Chance(PredictionSetMetrics sets)
    {
        (long Rows, double Fitted)[] thresholds = sets.FittedRows.Length == 1 ? [(sets.Count, sets.FittedRows[0])]
            : sets.FittedRows.Length != sets.PerClass.Count ? []
            : [.. sets.PerClass.Zip(sets.FittedRows, (one, fitted) => (one.Count, fitted)).Where(one => one.Count > 0)];
        if (thresholds.Length == 0 || double.IsNaN(sets.CoverageAsked) || thresholds.Any(one => !(one.Fitted >= 1)))
            return null;

        // Rows that belong together say less: they were fitted on such rows as they are measured on.
        double effect = DesignEffect(sets), mean = 0, variance = 0;
        foreach ((long rows, double fitted) in thresholds)
        {
            double rank = Math.Clamp(ConformalThreshold.Rank(fitted, sets.CoverageAsked), 1, fitted);
            double expected = rank / (fitted + 1), share = (double)rows / sets.Count;
            mean += share * expected;
            variance += share * share * expected * (1 - expected) / ((fitted + 1) / effect + 1);
        }

        // Of several thresholds the shares add up to nearly a beta number of the same mean and variance; one has exactly that.
        double size = mean * (1 - mean) / variance - 1;
        long trials = (long)Math.Round(sets.Count / effect), covered = (long)Math.Round(sets.Coverage * trials);
        return (BetaBinomialTail.AtMost(covered, trials, mean * size, (1 - mean) * size),
            BetaBinomialTail.AtMost(trials - covered, trials, (1 - mean) * size, mean * size));
    }

    /// <summary>How many rows say as much as one that is independent: by the widths of the intervals, and at most as many as a cluster has,
    /// since a width shrinks with the rows and not with their root where nearly all of them are covered.</summary>
    private static double DesignEffect(PredictionSetMetrics sets)
    {
        if (sets.NumberOfClusters is not int clusters)
            return 1;
        ConfidenceInterval ofRows = BinomialTail.Interval((long)Math.Round(sets.Coverage * sets.Count), sets.Count);
        double effect = Math.Pow((sets.CoverageInterval.Upper - sets.CoverageInterval.Lower) / (ofRows.Upper - ofRows.Lower), 2);
        return Math.Clamp(effect, 1, (double)sets.Count / clusters);
    }
}
