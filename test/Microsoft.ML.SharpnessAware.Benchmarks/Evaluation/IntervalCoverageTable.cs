using System.Globalization;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>In how many samples of a model of known quality each 95 % interval holds the true value. Nothing but the intervals is at stake:
/// the rows are drawn anew, so the true values are known.</summary>
internal static class IntervalCoverageTable
{
    private const double Level = 0.95;

    private static readonly int[] Rows = [20, 50, 100, 300, 1_000, 3_000, 10_000, 100_000];

    // The confidence at a place in [0, 1); two classes.
    private static readonly (string Name, Func<double, double> Confidence)[] Distributions =
    [
        (".5 to 1", u => 0.5 + 0.5 * u),
        ("all .9", _ => 0.9),
        ("all .99", _ => 0.99),
        ("all .999", _ => 0.999),
        (".98 to 1", u => 0.98 + 0.02 * u),
        ("half .5 to 1, half .999", u => u < 0.5 ? 0.5 + u : 0.999),
    ];

    private static readonly (string Name, Func<CalibrationIntervals, ConfidenceInterval> Interval, Func<double[], double> Truth)[] Numbers =
    [
        ("ECE", i => i.ExpectedCalibrationError, t => t[0]),
        ("AdaECE", i => i.AdaptiveCalibrationError, t => t[0]),
        ("RMS", i => i.RootMeanSquareCalibrationError, t => t[1]),
        ("accuracy", i => i.Accuracy, t => t[2]),
        ("log loss", i => i.LogLoss, t => t[3]),
        ("Brier", i => i.BrierScore, t => t[4]),
        ("mean conf.", i => i.MeanConfidence, t => t[5]),
        ("entropy", i => i.MeanEntropy, t => t[6]),
    ];

    public static void Run(int samples, int resamples)
    {
        Console.WriteLine($"Per cent of {samples:N0} samples in which the 95 % interval ({resamples} resamples) holds the true value");
        foreach ((string title, double errors) in new[] { ("A calibrated model", 1.0),
            ("A model that errs twice as often as it says", 2.0) })
        {
            Console.WriteLine();
            Console.WriteLine($"{title}:");
            Console.WriteLine();
            Console.WriteLine($"| confidences | rows | {string.Join(" | ", Numbers.Select(number => number.Name))} |");
            Console.WriteLine($"| -- | --: | {string.Join(" | ", Numbers.Select(_ => "--:"))} |");
            foreach ((string name, Func<double, double> confidence) in Distributions)
            {
                double[] truth = Truth(confidence, errors);
                foreach (int rows in Rows)
                {
                    double[] held = Coverage(confidence, errors, truth, rows, samples, resamples);
                    Console.WriteLine($"| {name} | {rows:N0} | {string.Join(" | ", held.Select(Text))} |");
                }
            }
        }

        static string Text(double share) => (100 * share).ToString("F1", CultureInfo.InvariantCulture);
    }

    private static double[] Coverage(Func<double, double> confidence, double errors, double[] truth, int rows, int samples, int resamples)
    {
        double[] held = new double[Numbers.Length];
        Parallel.For(0, samples, () => new double[Numbers.Length], (sample, _, counts) =>
        {
            CalibrationIntervals intervals = Sample(confidence, errors, rows, sample).Bootstrap(resamples, Level, seed: sample);
            for (int i = 0; i < counts.Length; i++)
            {
                // A mean of equal numbers is one of them but for rounding.
                ConfidenceInterval interval = Numbers[i].Interval(intervals);
                double value = Numbers[i].Truth(truth);
                counts[i] += interval.Lower <= value + 1e-7 && value - 1e-7 <= interval.Upper ? 1 : 0;
            }

            return counts;
        }, counts =>
        {
            lock (held)
            {
                for (int i = 0; i < held.Length; i++)
                    held[i] += counts[i];
            }
        });
        return [.. held.Select(count => count / samples)];
    }

    private static MulticlassCalibrationMetrics Sample(Func<double, double> confidence, double errors, int rows, int seed)
    {
        Random random = new(seed);
        float[] scores = new float[2 * rows];
        int[] labels = new int[rows];
        for (int row = 0; row < rows; row++)
        {
            scores[2 * row] = (float)confidence(random.NextDouble());
            scores[2 * row + 1] = 1 - scores[2 * row];
            labels[row] = random.NextDouble() < errors * scores[2 * row + 1] ? 1 : 0;
        }

        return CalibrationMetrics.Compute(scores, labels, 2);
    }

    /// <summary>ECE, RMS, accuracy, log loss, Brier score, mean confidence and mean entropy of all rows of this kind.</summary>
    private static double[] Truth(Func<double, double> confidence, double errors)
    {
        const int Places = 1_000_000;
        double[] sums = new double[5];
        double[] gaps = new double[15];
        double[] counts = new double[15];
        for (int place = 0; place < Places; place++)
        {
            double c = (float)confidence((place + 0.5) / Places), wrong = Math.Min(1, errors * (1 - c));
            int bin = Math.Min(14, (int)Math.Ceiling(c * 15) - 1);
            gaps[bin] += c - (1 - wrong);
            counts[bin]++;
            sums[0] += 1 - wrong;
            sums[1] -= (1 - wrong) * Math.Log(c) + (wrong > 0 ? wrong * Math.Log(1 - c) : 0);
            sums[2] += 2 * ((1 - wrong) * (1 - c) * (1 - c) + wrong * c * c);
            sums[3] += c;
            sums[4] -= c * Math.Log(c) + (c < 1 ? (1 - c) * Math.Log(1 - c) : 0);
        }

        return
        [
            gaps.Sum(Math.Abs) / Places, Math.Sqrt(gaps.Zip(counts, (gap, count) => count > 0 ? gap * gap / count : 0).Sum() / Places),
            .. sums.Select(sum => sum / Places),
        ];
    }
}
