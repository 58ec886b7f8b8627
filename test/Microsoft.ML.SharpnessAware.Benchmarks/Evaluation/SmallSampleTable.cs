namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>What the calibration errors of a perfectly calibrated model look like on few rows: every error shown is chance.</summary>
internal static class SmallSampleTable
{
    private const int Classes = 10;
    private const int Repetitions = 200;

    public static void Run()
    {
        Console.WriteLine($"A perfectly calibrated model of {Classes} classes, mean of {Repetitions} samples, in percent");
        Console.WriteLine("    Rows    ECE  AdaECE    RMS  debiased RMS  classwise  95 % interval of the ECE holds 0");
        foreach (int rows in new[] { 100, 300, 1_000, 3_000, 10_000, 30_000 })
        {
            MulticlassCalibrationMetrics[] samples = [.. Enumerable.Range(0, Repetitions).Select(seed => Sample(rows, seed))];
            double holds = samples.Average(sample => sample.Bootstrap(numberOfResamples: 300).ExpectedCalibrationError.Lower == 0 ? 100.0
                : 0);
            Console.WriteLine($"{rows,8:N0} {Mean(m => m.ExpectedCalibrationError),6:F2} {Mean(m => m.AdaptiveCalibrationError),7:F2} "
                + $"{Mean(m => m.RootMeanSquareCalibrationError),6:F2} {Mean(m => m.DebiasedRootMeanSquareCalibrationError),13:F2} "
                + $"{Mean(m => m.ClasswiseCalibrationError),10:F2} {holds,10:F0} % of the samples");

            double Mean(Func<MulticlassCalibrationMetrics, double> metric) => 100 * samples.Average(metric);
        }
    }

    /// <summary>Rows whose label is drawn with the very probabilities that are the scores; half of them above 0.9 confidence.</summary>
    private static MulticlassCalibrationMetrics Sample(int rows, int seed)
    {
        Random random = new(seed);
        float[] scores = new float[rows * Classes];
        int[] labels = new int[rows];
        for (int row = 0; row < rows; row++)
        {
            Span<float> p = scores.AsSpan(row * Classes, Classes);
            for (int k = 0; k < Classes; k++)
                p[k] = random.NextSingle();
            p[random.Next(Classes)] += 80 * MathF.Pow(random.NextSingle(), 2);
            float sum = 0, u = random.NextSingle();
            foreach (float value in p)
                sum += value;
            int label = -1;
            for (int k = 0; k < Classes; k++)
            {
                p[k] /= sum;
                u -= p[k];
                if (u < 0 && label < 0)
                    label = k;
            }

            labels[row] = label < 0 ? Classes - 1 : label;
        }

        return CalibrationMetrics.Compute(scores, labels, Classes);
    }
}
