using System.Runtime.Intrinsics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The arithmetic of <see cref="MulticlassCalibrationMetrics.Bootstrap"/>.</summary>
internal static class CalibrationBootstrap
{
    /// <summary>With fewer the ends of an interval are chance themselves.</summary>
    private const int SmallestNumberOfResamples = 100;

    public static void Check(int numberOfResamples, double confidenceLevel)
    {
        if (numberOfResamples < SmallestNumberOfResamples)
            throw new ArgumentOutOfRangeException(nameof(numberOfResamples), numberOfResamples,
                $"There must be at least {SmallestNumberOfResamples} resamples.");
        if (!(confidenceLevel is > 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(confidenceLevel), confidenceLevel,
                "The confidence level must lie between 0 and 1, for example 0.95.");
        // The ends lie at the tail's share of n + 1; beyond the first and the last draw nothing is known.
        double needed = Math.Ceiling(2 / (1 - confidenceLevel) * (1 - 1e-9)) - 1;
        if (numberOfResamples < needed)
            throw new ArgumentOutOfRangeException(nameof(numberOfResamples), numberOfResamples,
                Invariant($"An interval of {100 * confidenceLevel:G6} % takes at least {needed:N0} resamples: with fewer its ends are the ")
                + "outermost draws, and it is one of a lower level. Draw more, or ask for a lower confidence level.");
    }

    /// <param name="cells">The rows by bins of equal width.</param>
    /// <param name="equalMassCells">The rows by bins of equally many.</param>
    /// <param name="oneMore">The best and the worst row that could have come.</param>
    /// <param name="numberOfResamples">How often to draw.</param>
    /// <param name="confidenceLevel">How often an interval is to contain the true value.</param>
    /// <param name="seed">Decides the draws.</param>
    /// <param name="clusters">What is drawn instead of rows; null for rows.</param>
    public static CalibrationIntervals Intervals(OutcomeCell[] cells, OutcomeCell[] equalMassCells,
        (Vector256<double> Best, Vector256<double> Worst) oneMore, int numberOfResamples, double confidenceLevel, int seed,
        ClusteredRows? clusters)
    {
        Check(numberOfResamples, confidenceLevel);
        GapResampler gaps = new(cells, new BootstrapRandom(seed, stream: 0), clusters?.EqualWidthGaps());
        GapErrorInterval expected = new(gaps, squared: false, numberOfResamples);
        GapErrorInterval rootMeanSquare = new(gaps, squared: true, numberOfResamples);
        GapResampler equalMassGaps = new(equalMassCells, new BootstrapRandom(seed, stream: 1), clusters?.EqualMassGaps());
        GapErrorInterval adaptive = new(equalMassGaps, squared: false, numberOfResamples);
        BootstrapRandom random = new(seed, stream: 2);
        MeanIntervals? means = clusters is not null ? null : new(cells, oneMore.Best, oneMore.Worst, numberOfResamples, random);
        ClusterMeans? ofClusters = clusters is null ? null
            : new(clusters.Units, clusters.Measured, oneMore.Best, oneMore.Worst, numberOfResamples, random);
        for (int resample = 0; resample < numberOfResamples; resample++)
        {
            gaps.Draw();
            expected.Add();
            rootMeanSquare.Add();
            equalMassGaps.Draw();
            adaptive.Add();
            means?.Draw();
            ofClusters?.Draw();
        }

        bool isOneCluster = clusters?.Units.NumberOfClusters == 1;
        return new CalibrationIntervals
        {
            NumberOfResamples = numberOfResamples,
            ConfidenceLevel = confidenceLevel,
            NumberOfClusters = clusters?.Units.NumberOfClusters,
            ExpectedCalibrationError = Error(expected),
            AdaptiveCalibrationError = Error(adaptive),
            RootMeanSquareCalibrationError = Error(rootMeanSquare),
            Accuracy = ofClusters?.GetInterval(ClusterMeans.Accuracy, confidenceLevel)
                ?? BinomialTail.Interval(RightRows(cells), Rows(cells), confidenceLevel),
            MeanConfidence = Mean(RowNumber.Confidence),
            LogLoss = Mean(RowNumber.LogLoss),
            BrierScore = Mean(RowNumber.BrierScore),
            MeanEntropy = Mean(RowNumber.Entropy),
        };

        // One cluster says nothing of how clusters differ.
        ConfidenceInterval Error(GapErrorInterval error) =>
            error.GetInterval(confidenceLevel) is var interval && isOneCluster ? interval with { Lower = 0, Upper = 1 } : interval;

        ConfidenceInterval Mean(int number) =>
            means?.GetInterval(number, confidenceLevel) ?? ofClusters!.GetInterval(number, confidenceLevel);
    }

    private static long Rows(ReadOnlySpan<OutcomeCell> cells)
    {
        long rows = 0;
        foreach (ref readonly OutcomeCell cell in cells)
            rows += cell.Count;
        return rows;
    }

    private static long RightRows(ReadOnlySpan<OutcomeCell> cells)
    {
        long right = 0;
        for (int cell = 1; cell < cells.Length; cell += 2)
            right += cells[cell].Count;
        return right;
    }
}
