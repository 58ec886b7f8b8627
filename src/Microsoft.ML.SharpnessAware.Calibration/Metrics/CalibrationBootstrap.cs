using System.Runtime.Intrinsics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The arithmetic of <see cref="MulticlassCalibrationMetrics.Bootstrap"/>.</summary>
internal static class CalibrationBootstrap
{
    /// <summary>With fewer the ends of an interval are chance themselves.</summary>
    private const int SmallestNumberOfResamples = 100;

    public static CalibrationIntervals Intervals(
        MulticlassCalibrationMetrics metrics, OutcomeCell[] cells, OutcomeCell[] equalMassCells, int numberOfResamples,
        double confidenceLevel, int seed)
    {
        if (numberOfResamples < SmallestNumberOfResamples)
            throw new ArgumentOutOfRangeException(nameof(numberOfResamples), numberOfResamples,
                $"There must be at least {SmallestNumberOfResamples} resamples.");
        if (!(confidenceLevel is > 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(confidenceLevel), confidenceLevel,
                "The confidence level must lie between 0 and 1, for example 0.95.");

        GapErrorInterval expected = new(cells, squared: false, numberOfResamples);
        GapErrorInterval rootMeanSquare = new(cells, squared: true, numberOfResamples);
        double[] accuracy = new double[numberOfResamples];
        double[][] means = [.. Enumerable.Range(0, Vector256<double>.Count).Select(_ => new double[numberOfResamples])];
        CellResampler resampler = new(cells, new BootstrapRandom(seed, stream: 0));
        for (int resample = 0; resample < numberOfResamples; resample++)
        {
            resampler.Draw();
            expected.Add(resampler);
            rootMeanSquare.Add(resampler);
            (accuracy[resample], Vector256<double> mean) = Means(resampler, metrics.Count);
            for (int number = 0; number < means.Length; number++)
                means[number][resample] = mean[number];
        }

        return new CalibrationIntervals
        {
            NumberOfResamples = numberOfResamples,
            ConfidenceLevel = confidenceLevel,
            ExpectedCalibrationError = expected.GetInterval(confidenceLevel),
            AdaptiveCalibrationError = AdaptiveInterval(equalMassCells, numberOfResamples, confidenceLevel, seed),
            RootMeanSquareCalibrationError = rootMeanSquare.GetInterval(confidenceLevel),
            Accuracy = Percentile.Interval(metrics.Accuracy, accuracy, confidenceLevel),
            MeanConfidence = Percentile.Interval(metrics.MeanConfidence, means[RowNumber.Confidence], confidenceLevel),
            LogLoss = Percentile.Interval(metrics.LogLoss, means[RowNumber.LogLoss], confidenceLevel),
            BrierScore = Percentile.Interval(metrics.BrierScore, means[RowNumber.BrierScore], confidenceLevel),
            MeanEntropy = Percentile.Interval(metrics.MeanEntropy, means[RowNumber.Entropy], confidenceLevel),
        };
    }

    private static ConfidenceInterval AdaptiveInterval(
        OutcomeCell[] cells, int numberOfResamples, double confidenceLevel, int seed)
    {
        GapErrorInterval adaptive = new(cells, squared: false, numberOfResamples);
        CellResampler resampler = new(cells, new BootstrapRandom(seed, stream: 1));
        for (int resample = 0; resample < numberOfResamples; resample++)
        {
            resampler.Draw();
            adaptive.Add(resampler);
        }

        return adaptive.GetInterval(confidenceLevel);
    }

    private static (double Accuracy, Vector256<double> Numbers) Means(CellResampler resample, long rows)
    {
        long right = 0;
        Vector256<double> sum = default;
        for (int cell = 0; cell < resample.Counts.Length; cell++)
        {
            right += (cell & 1) * resample.Counts[cell];
            sum += resample.Sums[cell];
        }

        return (right / (double)rows, sum / rows);
    }
}
