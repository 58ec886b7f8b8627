using System.Runtime.Intrinsics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The arithmetic of <see cref="MulticlassCalibrationMetrics.Bootstrap"/>.</summary>
internal static class CalibrationBootstrap
{
    /// <summary>With fewer the ends of an interval are chance themselves.</summary>
    private const int SmallestNumberOfResamples = 100;

    public static CalibrationIntervals Intervals(OutcomeCell[] cells, OutcomeCell[] equalMassCells, int numberOfClasses,
        int numberOfResamples,
        double confidenceLevel, int seed) =>
        Intervals(cells, equalMassCells, OneMore(cells, numberOfClasses), numberOfResamples, confidenceLevel, seed);

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

    /// <summary>Of a binary model: confidence stands for the probability of the positive class, right for positive.</summary>
    public static CalibrationIntervals BinaryIntervals(OutcomeCell[] cells, OutcomeCell[] equalMassCells, int numberOfResamples,
        double confidenceLevel, int seed)
    {
        List<(double Count, double Confidence, double Entropy)> bins =
            [.. Bins(cells).Select(bin => (bin.Count, Math.Max(bin.Confidence, 1 - bin.Confidence), bin.Entropy))];
        return Intervals(cells, equalMassCells, (Binary(BestRow(bins, 2), 0), Binary(WorstRow(bins, 2), 1)),
            numberOfResamples, confidenceLevel, seed);

        // The binary Brier score counts one class of the two.
        static Vector256<double> Binary(Vector256<double> row, double probability) =>
            OutcomeCell.Row(probability, row[RowNumber.LogLoss], row[RowNumber.BrierScore] / 2, row[RowNumber.Entropy]);
    }

    private static CalibrationIntervals Intervals(OutcomeCell[] cells, OutcomeCell[] equalMassCells,
        (Vector256<double> Best, Vector256<double> Worst) oneMore, int numberOfResamples, double confidenceLevel, int seed)
    {
        Check(numberOfResamples, confidenceLevel);
        GapResampler gaps = new(cells, new BootstrapRandom(seed, stream: 0));
        GapErrorInterval expected = new(gaps, squared: false, numberOfResamples);
        GapErrorInterval rootMeanSquare = new(gaps, squared: true, numberOfResamples);
        GapResampler equalMassGaps = new(equalMassCells, new BootstrapRandom(seed, stream: 1));
        GapErrorInterval adaptive = new(equalMassGaps, squared: false, numberOfResamples);
        MeanIntervals means = new(cells, oneMore.Best, oneMore.Worst, numberOfResamples, new BootstrapRandom(seed, stream: 2));
        for (int resample = 0; resample < numberOfResamples; resample++)
        {
            gaps.Draw();
            expected.Add();
            rootMeanSquare.Add();
            equalMassGaps.Draw();
            adaptive.Add();
            means.Draw();
        }

        return new CalibrationIntervals
        {
            NumberOfResamples = numberOfResamples,
            ConfidenceLevel = confidenceLevel,
            ExpectedCalibrationError = expected.GetInterval(confidenceLevel),
            AdaptiveCalibrationError = adaptive.GetInterval(confidenceLevel),
            RootMeanSquareCalibrationError = rootMeanSquare.GetInterval(confidenceLevel),
            Accuracy = ClopperPearson.Interval(RightRows(cells), Rows(cells), confidenceLevel),
            MeanConfidence = means.GetInterval(RowNumber.Confidence, confidenceLevel),
            LogLoss = means.GetInterval(RowNumber.LogLoss, confidenceLevel),
            BrierScore = means.GetInterval(RowNumber.BrierScore, confidenceLevel),
            MeanEntropy = means.GetInterval(RowNumber.Entropy, confidenceLevel),
        };
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
