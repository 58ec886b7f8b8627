using System.Globalization;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What the numbers say, in sentences.</summary>
internal static class PlainWords
{
    /// <summary>"Says 92.6 % on average and is right in 87.4 %: overconfident by 5.2 points."</summary>
    public static string Headline(ClassifierCalibrationMetrics metrics)
    {
        // The difference of the rounded numbers, so that the sentence adds up.
        double said = Percent(metrics.ReliabilityDiagram.MeanConfidence);
        double right = Percent(metrics.ReliabilityDiagram.Accuracy);
        double points = Math.Round(said - right, 1);
        bool isBinary = metrics is BinaryCalibrationMetrics;
        string start = isBinary ? Invariant($"Says positive with {said:F1} % on average, and {right:F1} % are: ")
            : Invariant($"Says {said:F1} % on average and is right in {right:F1} %: ");
        (double chance, int? clusters) = ByChance(metrics);
        return start + (points == 0 || Math.Abs(points) <= chance
            ? Invariant($"right on average, as far as {Rows(metrics.Count, clusters)} can tell (± {chance:F1} points).")
            : isBinary ? Invariant($"too {(points > 0 ? "high" : "low")} by {Math.Abs(points):F1} points.")
            : Invariant($"{(points > 0 ? "overconfident" : "underconfident")} by {Math.Abs(points):F1} points."));
    }

    /// <summary>The calibration error, and what acting on the most confident predictions only would have given.</summary>
    public static string Details(ClassifierCalibrationMetrics metrics)
    {
        double points = 100 * metrics.ExpectedCalibrationError;
        if (metrics is not MulticlassCalibrationMetrics ofClasses)
            return Invariant($"Bin by bin, the probability and the share that is positive differ by {points:F1} points (ECE).");
        const double Wished = 0.95;
        double coverage = ofClasses.AccuracyRejectionCurve.CoverageAt(Wished);
        string error = Invariant($"Bin by bin, confidence and accuracy differ by {points:F1} points (ECE). ");
        long rows = (long)Math.Round(coverage * ofClasses.Count);
        return error + (coverage >= 1 ? Invariant($"All predictions together were correct in at least {Wished:P0} of these rows.")
            : coverage <= 0 ? Invariant($"No subset of the predictions, however confident, was correct in {Wished:P0} of these rows.")
            : Invariant($"The most confident {coverage:P1} of the predictions ({Rows(rows, null)}), those with a confidence of at least ")
                + Invariant($"{ofClasses.AccuracyRejectionCurve.ThresholdAt(Wished):F3}, were correct in at least {Wished:P0} of these ")
                + "rows. A threshold looks better on the rows that it is chosen on than it is; abstention, which is fitted on other rows, "
                + "comes with a promise.");
    }

    /// <summary>"Of the sets, asked to hold the right class in 90 %, 91.2 % do: as asked, as far as 500 rows can tell."</summary>
    public static string Sets(PredictionSetMetrics sets)
    {
        string size = Invariant($" They hold {sets.MeanSize:F2} classes on average.");
        if (double.IsNaN(sets.CoverageAsked))
            return Invariant($"Of the prediction sets {sets.Coverage:P1} hold the right class.") + size;
        const double Tail = 0.025;
        string asAsked = $"as asked, as far as {Rows(sets.Count, sets.NumberOfClusters)} can tell.";
        bool areFew = sets.CoverageAsked > sets.CoverageInterval.Upper, areMany = sets.CoverageAsked < sets.CoverageInterval.Lower;
        // What the interval allows is no news, and one cluster tells nothing. Beyond it the coverage of one fit is chance as well; where
        // the rows it was fitted on are not known, nobody is accused.
        string verdict = !(areFew || areMany) || sets.NumberOfClusters == 1 ? asAsked
            : CoveragePromise.Chance(sets) is not (double asFew, double asMany)
                ? $"{(areFew ? "fewer" : "more")} than asked, judged by the rows measured alone."
            : areFew && asFew <= Tail ? "fewer than asked, by more than chance. Were they fitted on rows of another kind, or on rows that "
                + "the model was trained on?"
            : areMany && asMany <= Tail ? "more than asked, by more than chance." : asAsked;
        return Invariant($"Of the prediction sets, asked to hold the right class in {sets.CoverageAsked:0.## %}, {sets.Coverage:P1} do: ")
            + verdict + size;
    }

    /// <summary>"Abstention accepts 61.3 % of the rows, and is right in 99.4 % of these; 99 % were asked."</summary>
    public static string Abstention(AbstentionMetrics abstention)
    {
        if (abstention.AcceptedCount == 0)
            return "Abstention accepts no row.";
        string asked = double.IsNaN(abstention.AccuracyAsked) ? "."
            : Invariant($"; {abstention.AccuracyAsked:0.## %} were asked")
                + (abstention.AcceptedAccuracy.Upper < abstention.AccuracyAsked ? ", and the difference is more than chance." : ".");
        return Invariant($"Abstention accepts {abstention.AcceptedShare.Estimate:P1} of the rows, and the model is right in ")
            + Invariant($"{abstention.AcceptedAccuracy.Estimate:P1} of these") + asked;
    }

    /// <summary>"1,000 rows", or "20 clusters of rows" where these alone are independent.</summary>
    public static string Rows(long rows, int? clusters) => clusters is int some
        ? Invariant($"{some:N0} cluster{(some == 1 ? "" : "s")} of rows") : Invariant($"{rows:N0} row{(rows == 1 ? "" : "s")}");

    /// <summary>How many points mean confidence minus accuracy may be off by chance, and by how many clusters where there are any (0 where
    /// their interval says that it is none). Not by
    /// what is left of the gaps in their bins: nothing is, where each cluster lies alone in its own.</summary>
    private static (double Points, int? Clusters) ByChance(ClassifierCalibrationMetrics metrics)
    {
        if (metrics.Measured.Clusters is not List<int> clusters)
            return (100 * 1.96 * StandardError(metrics.ReliabilityDiagram), null);
        ClusterGapMean mean = new(metrics.Measured, clusters);
        return (mean.NumberOfClusters == 1 ? 100 : mean.MayBeZero ? 100 * mean.HalfWidth() : 0, mean.NumberOfClusters);
    }

    /// <summary>A share in percent, rounded as the diagrams' format P1 rounds it: 0.8405 is 84.1 %, though 100 · 0.8405 is below
    /// 84.05.</summary>
    private static double Percent(double share) =>
        Math.Round(100 * double.Parse(share.ToString("F3", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture), 1);

    /// <summary>Of mean confidence minus accuracy: how much chance there is in whether rows of each confidence turn out right, by what
    /// they did or by what was said. A bin of one row tells nothing by itself.</summary>
    private static double StandardError(ReliabilityDiagram diagram) => Math.Sqrt(diagram.Bins.Where(bin => bin.Count > 0).Sum(bin =>
        bin.Count * Math.Max(bin.Accuracy * (1 - bin.Accuracy), bin.MeanConfidence * (1 - bin.MeanConfidence)))) / diagram.Count;
}
