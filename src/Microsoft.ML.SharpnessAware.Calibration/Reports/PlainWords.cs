namespace Microsoft.ML.SharpnessAware;

/// <summary>What the numbers say, in sentences.</summary>
internal static class PlainWords
{
    /// <summary>"Says 92.6 % on average and is right in 87.4 %: overconfident by 5.2 points."</summary>
    public static string Headline(MulticlassCalibrationMetrics metrics)
    {
        // The difference of the rounded numbers, so that the sentence adds up.
        double said = Math.Round(100 * metrics.MeanConfidence, 1);
        double right = Math.Round(100 * metrics.Accuracy, 1);
        double points = Math.Round(said - right, 1);
        string start = Invariant($"Says {said:F1} % on average and is right in {right:F1} %: ");
        double chance = 196 * StandardError(metrics.ReliabilityDiagram);
        return start + (points == 0 || Math.Abs(points) <= chance
            ? Invariant($"right on average, as far as {metrics.Count:N0} row{(metrics.Count == 1 ? "" : "s")} can tell ")
                + Invariant($"(± {chance:F1} points).")
            : Invariant($"{(points > 0 ? "overconfident" : "underconfident")} by {Math.Abs(points):F1} points."));
    }

    /// <summary>The calibration error, and what acting on the most confident predictions only would give.</summary>
    public static string Details(MulticlassCalibrationMetrics metrics)
    {
        const double Wished = 0.95;
        double coverage = metrics.AccuracyRejectionCurve.CoverageAt(Wished);
        double points = 100 * metrics.ExpectedCalibrationError;
        string error = Invariant($"Bin by bin, confidence and accuracy differ by {points:F1} points (ECE). ");
        return error + (coverage >= 1 ? Invariant($"All predictions together are correct at least {Wished:P0} of the time.")
            : coverage <= 0 ? Invariant($"No part of the predictions, however sure, is right in {Wished:P0}.")
            : Invariant($"The most confident {coverage:P1} of the predictions, those with a confidence of at least ")
                + Invariant($"{metrics.AccuracyRejectionCurve.ThresholdAt(Wished):F3}, are correct {Wished:P0} of the time."));
    }

    /// <summary>Of mean confidence minus accuracy: how much chance there is in whether rows of each confidence turn out right.</summary>
    private static double StandardError(ReliabilityDiagram diagram) => Math.Sqrt(diagram.Bins.Where(bin => bin.Count > 0)
        .Sum(bin => bin.Count * bin.Accuracy * (1 - bin.Accuracy))) / diagram.Count;
}
