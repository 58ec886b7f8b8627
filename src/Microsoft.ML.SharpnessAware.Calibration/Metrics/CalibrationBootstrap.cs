using System.Runtime.Intrinsics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The arithmetic of <see cref="MulticlassCalibrationMetrics.Bootstrap"/>.</summary>
internal static class CalibrationBootstrap
{
    /// <summary>With fewer the ends of an interval are chance themselves.</summary>
    private const int SmallestNumberOfResamples = 100;

    /// <summary>The best and the worst row that could have come.</summary>
    public static (Vector256<double> Best, Vector256<double> Worst) OneMore(ReadOnlySpan<OutcomeCell> cells, int numberOfClasses)
    {
        List<(double Count, double Confidence, double Entropy)> bins = Bins(cells);
        return (BestRow(bins, numberOfClasses), WorstRow(bins, numberOfClasses));
    }

    public static void Check(int numberOfResamples, double confidenceLevel)
    {
        if (numberOfResamples < SmallestNumberOfResamples)
            throw new ArgumentOutOfRangeException(nameof(numberOfResamples), numberOfResamples,
                $"There must be at least {SmallestNumberOfResamples} resamples.");
        if (!(confidenceLevel is > 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(confidenceLevel), confidenceLevel,
                "The confidence level must lie between 0 and 1, for example 0.95.");
    }

    /// <summary>The same of a binary model: confidence stands for the probability of the positive class, right for positive.</summary>
    public static (Vector256<double> Best, Vector256<double> Worst) BinaryOneMore(ReadOnlySpan<OutcomeCell> cells)
    {
        List<(double Count, double Confidence, double Entropy)> bins =
            [.. Bins(cells).Select(bin => (bin.Count, Math.Max(bin.Confidence, 1 - bin.Confidence), bin.Entropy))];
        return (Binary(BestRow(bins, 2), 0), Binary(WorstRow(bins, 2), 1));

        // The binary Brier score counts one class of the two.
        static Vector256<double> Binary(Vector256<double> row, double probability) =>
            OutcomeCell.Row(probability, row[RowNumber.LogLoss], row[RowNumber.BrierScore] / 2, row[RowNumber.Entropy]);
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

    /// <summary>Undecided as can be; or right, with the loss that the model itself expects of right rows.</summary>
    private static Vector256<double> BestRow(IEnumerable<(double Count, double Confidence, double Entropy)> bins, int numberOfClasses)
    {
        double loss = 0, brier = 0, rights = 0;
        foreach ((double count, double confidence, _) in bins)
        {
            double right = count * confidence;
            rights += right;
            loss -= right * Math.Log(confidence);
            brier += right * (1 - confidence) * (1 - confidence) * (1 + 1.0 / (numberOfClasses - 1));
        }

        return OutcomeCell.Row(1.0 / numberOfClasses, loss / rights, brier / rights, entropy: 0);
    }

    /// <summary>Sure as can be; or wrong, with the loss that the model itself expects of wrong rows.</summary>
    private static Vector256<double> WorstRow(IEnumerable<(double Count, double Confidence, double Entropy)> bins, int numberOfClasses)
    {
        double loss = 0, brier = 0, wrongs = 0;
        foreach ((double count, double confidence, double entropy) in bins)
        {
            // Of wrong rows the label's probability is that of the other classes; its mean logarithm is in the entropy.
            double wrong = count * (1 - confidence);
            double others = (1 - confidence) / (numberOfClasses - 1);
            wrongs += wrong;
            loss += count * Math.Max(0, entropy + confidence * Math.Log(confidence));
            brier += wrong * (1 + confidence * confidence + (1 - confidence) * others - 2 * others);
        }

        // Where the model takes all for certain, an error costs what it can.
        return wrongs <= 0
            ? OutcomeCell.Row(1, -Math.Log(CalibrationAccumulator.SmallestProbability), 2, Math.Log(numberOfClasses))
            : OutcomeCell.Row(1, loss / wrongs, brier / wrongs, Math.Log(numberOfClasses));
    }

    private static List<(double Count, double Confidence, double Entropy)> Bins(ReadOnlySpan<OutcomeCell> cells)
    {
        List<(double, double, double)> bins = [];
        for (int bin = 0; bin < cells.Length / 2; bin++)
        {
            double count = cells[2 * bin].Count + cells[2 * bin + 1].Count;
            Vector256<double> sum = cells[2 * bin].Sum + cells[2 * bin + 1].Sum;
            if (count > 0)
                bins.Add((count, sum[RowNumber.Confidence] / count, sum[RowNumber.Entropy] / count));
        }

        return bins;
    }
}
