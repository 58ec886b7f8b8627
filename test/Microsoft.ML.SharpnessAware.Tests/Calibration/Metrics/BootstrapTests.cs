namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class BootstrapTests
{
    [TestMethod]
    public void IntervalsSurroundTheMetrics()
    {
        CalibrationReference reference = CalibrationReference.Load("overconfident");
        MulticlassCalibrationMetrics metrics =
            CalibrationMetrics.Compute(reference.Scores, reference.Labels, reference.NumberOfClasses);
        CalibrationIntervals intervals = metrics.Bootstrap();
        Assert.AreEqual(1000, intervals.NumberOfResamples);
        Assert.AreEqual(0.95, intervals.ConfidenceLevel);
        foreach ((double value, ConfidenceInterval interval) in new[]
        {
            (metrics.ExpectedCalibrationError, intervals.ExpectedCalibrationError),
            (metrics.AdaptiveCalibrationError, intervals.AdaptiveCalibrationError),
            (metrics.RootMeanSquareCalibrationError, intervals.RootMeanSquareCalibrationError),
            (metrics.BrierScore, intervals.BrierScore),
            (metrics.LogLoss, intervals.LogLoss),
            (metrics.Accuracy, intervals.Accuracy),
            (metrics.MeanConfidence, intervals.MeanConfidence),
            (metrics.MeanEntropy, intervals.MeanEntropy),
        })
        {
            Assert.AreEqual(value, interval.Estimate, 1e-12);
            Assert.IsLessThan(value, interval.Lower);
            Assert.IsGreaterThan(value, interval.Upper);
        }

        StringAssert.Contains(intervals.ToString(), $"Accuracy                        {intervals.Accuracy}");
        StringAssert.StartsWith(intervals.ToString(), "95% intervals from 1,000 resamples");
    }

    [TestMethod]
    public void TheSameSeedGivesTheSameIntervals()
    {
        MulticlassCalibrationMetrics metrics = Metrics(Sample(1, 300, confidence => confidence));
        Assert.AreEqual(metrics.Bootstrap(200, 0.9, seed: 3).ToString(), metrics.Bootstrap(200, 0.9, seed: 3).ToString());
        Assert.AreNotEqual(metrics.Bootstrap(200, 0.9, seed: 3).LogLoss, metrics.Bootstrap(200, 0.9, seed: 4).LogLoss);
    }

    /// <summary>What the resampled sums of the bins give is what drawing the rows one by one gives.</summary>
    [TestMethod]
    public void ResamplesOfTheBinsVaryAsResamplesOfTheRowsDo()
    {
        const int Resamples = 2000;
        (float Confidence, bool Correct)[] rows = Sample(5, 400, confidence => 0.9 * confidence);
        OutcomeBins bins = new(new ConfidenceBins(15));
        foreach ((float confidence, bool correct) in rows)
            bins.Add(confidence, correct, OutcomeCell.Row(confidence, LogLoss(confidence, correct)));

        CellResampler resampler = new(bins.Cells, new BootstrapRandom(1, 0));
        Random random = new(2);
        double[][] ofBins = new double[Resamples][];
        double[][] ofRows = new double[Resamples][];
        for (int i = 0; i < Resamples; i++)
        {
            resampler.Draw();
            ofBins[i] = Numbers(resampler.Counts, [.. resampler.Sums.Select(sum => sum[0])], [.. resampler.Sums.Select(sum => sum[1])]);

            long[] counts = new long[30];
            double[] confidences = new double[30];
            double[] losses = new double[30];
            for (int n = 0; n < rows.Length; n++)
            {
                (float confidence, bool correct) = rows[random.Next(rows.Length)];
                int cell = 2 * new ConfidenceBins(15).IndexOf(confidence) + (correct ? 1 : 0);
                counts[cell]++;
                confidences[cell] += confidence;
                losses[cell] += LogLoss(confidence, correct);
            }

            ofRows[i] = Numbers(counts, confidences, losses);
        }

        // Expected calibration error, its root mean square, accuracy, mean confidence, log loss.
        for (int number = 0; number < ofRows[0].Length; number++)
        {
            (double mean, double deviation) = Moments(ofRows, number);
            (double binMean, double binDeviation) = Moments(ofBins, number);
            Assert.AreEqual(mean, binMean, 0.12 * deviation, $"mean of number {number}");
            Assert.AreEqual(1, binDeviation / deviation, 0.07, $"deviation of number {number}");
        }

        double[] Numbers(long[] counts, double[] confidences, double[] losses)
        {
            Assert.AreEqual(rows.Length, counts.Sum());
            double[] gaps = [.. Enumerable.Range(0, 15).Select(b => confidences[2 * b] + confidences[2 * b + 1] - counts[2 * b + 1])];
            double squares = Enumerable.Range(0, 15).Where(b => counts[2 * b] + counts[2 * b + 1] > 0)
                .Sum(b => gaps[b] * gaps[b] / (counts[2 * b] + counts[2 * b + 1]));
            return
            [
                gaps.Sum(Math.Abs) / rows.Length, Math.Sqrt(squares / rows.Length), counts.Where((_, i) => i % 2 == 1).Sum(),
                confidences.Sum(), losses.Sum(),
            ];
        }

        static double LogLoss(float confidence, bool correct) => -Math.Log(correct ? confidence : 1 - confidence);

        static (double Mean, double Deviation) Moments(double[][] draws, int number)
        {
            double mean = draws.Average(draw => draw[number]);
            return (mean, Math.Sqrt(draws.Average(draw => Math.Pow(draw[number] - mean, 2))));
        }
    }

    /// <summary>An interval whose lower end is not 0 would say that a calibrated model is not. 95 % intervals may do so in 1 of
    /// 40.</summary>
    [TestMethod]
    [DataRow(100)]
    [DataRow(2000)]
    public void PerfectCalibrationHasAnErrorOfZeroWithinItsInterval(int rows)
    {
        const int Samples = 80;
        int zero = 0;
        int adaptiveZero = 0;
        int rootZero = 0;
        for (int sample = 0; sample < Samples; sample++)
        {
            CalibrationIntervals intervals = Metrics(Sample(sample, rows, confidence => confidence)).Bootstrap(200, seed: sample);
            Assert.IsGreaterThan(0, intervals.ExpectedCalibrationError.Estimate);
            zero += intervals.ExpectedCalibrationError.Lower == 0 ? 1 : 0;
            adaptiveZero += intervals.AdaptiveCalibrationError.Lower == 0 ? 1 : 0;
            rootZero += intervals.RootMeanSquareCalibrationError.Lower == 0 ? 1 : 0;
        }

        Assert.IsGreaterThanOrEqualTo(Samples * 9 / 10, zero);
        Assert.IsGreaterThanOrEqualTo(Samples * 9 / 10, adaptiveZero);
        Assert.IsGreaterThanOrEqualTo(Samples * 9 / 10, rootZero);
    }

    /// <summary>The confidence is too high by 0.08 in every bin, so that this is the true error. Percentiles of resampled errors would
    /// miss it more often than not on 300 rows.</summary>
    [TestMethod]
    [DataRow(300)]
    [DataRow(3000)]
    public void TheTrueErrorLiesWithinTheIntervalAsOftenAsPromised(int rows)
    {
        const int Samples = 80;
        int expected = 0;
        int rootMeanSquare = 0;
        for (int sample = 0; sample < Samples; sample++)
        {
            CalibrationIntervals intervals =
                Metrics(Sample(1000 + sample, rows, confidence => confidence - 0.08)).Bootstrap(200, seed: sample);
            expected += Contains(intervals.ExpectedCalibrationError) ? 1 : 0;
            rootMeanSquare += Contains(intervals.RootMeanSquareCalibrationError) ? 1 : 0;
        }

        Assert.IsGreaterThanOrEqualTo(Samples * 88 / 100, expected);
        Assert.IsGreaterThanOrEqualTo(Samples * 88 / 100, rootMeanSquare);

        static bool Contains(ConfidenceInterval interval) => interval.Lower <= 0.08 && interval.Upper >= 0.08;
    }

    /// <summary>The same rows sixteen times: the same metrics, and intervals a quarter as wide.</summary>
    [TestMethod]
    public void IntervalsShrinkWithTheSquareRootOfTheRows()
    {
        (float Confidence, bool Correct)[] rows = Sample(9, 500, confidence => confidence - 0.2);
        CalibrationIntervals few = Metrics(rows).Bootstrap(2000);
        CalibrationIntervals many = Metrics([.. Enumerable.Repeat(rows, 16).SelectMany(row => row)]).Bootstrap(2000);
        AssertQuarter(few.Accuracy, many.Accuracy);
        AssertQuarter(few.LogLoss, many.LogLoss);
        AssertQuarter(few.BrierScore, many.BrierScore);
        AssertQuarter(few.MeanConfidence, many.MeanConfidence);
        AssertQuarter(few.MeanEntropy, many.MeanEntropy);
        AssertQuarter(few.ExpectedCalibrationError, many.ExpectedCalibrationError, tolerance: 0.06);
        AssertQuarter(few.RootMeanSquareCalibrationError, many.RootMeanSquareCalibrationError, tolerance: 0.06);

        static void AssertQuarter(ConfidenceInterval few, ConfidenceInterval many, double tolerance = 0.03)
        {
            Assert.AreEqual(few.Estimate, many.Estimate, 1e-9);
            Assert.AreEqual(0.25, (many.Upper - many.Lower) / (few.Upper - few.Lower), tolerance);
        }
    }

    [TestMethod]
    public void AHigherLevelIsWider()
    {
        MulticlassCalibrationMetrics metrics = Metrics(Sample(9, 500, confidence => confidence - 0.2));
        ConfidenceInterval narrow = metrics.Bootstrap(1000, 0.5).ExpectedCalibrationError;
        ConfidenceInterval wide = metrics.Bootstrap(1000, 0.99).ExpectedCalibrationError;
        Assert.IsTrue(wide.Lower < narrow.Lower);
        Assert.IsTrue(wide.Upper > narrow.Upper);
    }

    [TestMethod]
    public void RowsThatAreAllTheSameGiveIntervalsWithoutWidth()
    {
        CalibrationIntervals intervals = CalibrationMetrics.Compute([1, 0, 1, 0], [0, 0], 2).Bootstrap(100);
        Assert.AreEqual(new ConfidenceInterval(1, 1, 1), intervals.Accuracy);
        foreach (ConfidenceInterval interval in new[]
        {
            intervals.ExpectedCalibrationError, intervals.AdaptiveCalibrationError, intervals.RootMeanSquareCalibrationError,
            intervals.BrierScore, intervals.LogLoss, intervals.MeanEntropy,
        })
        {
            Assert.AreEqual(new ConfidenceInterval(0, 0, 0), interval);
        }
    }

    /// <summary>A measured error of 0 by luck says nothing about the gaps that may be there.</summary>
    [TestMethod]
    public void AnErrorOfZeroByChanceHasAnIntervalAboveIt()
    {
        float[] scores = CalibrationMetricsTests.TwoClasses([.5f, .5f, .75f, .75f, .75f, .75f]);
        ConfidenceInterval error = CalibrationMetrics.Compute(scores, [0, 1, 0, 0, 0, 1], 2).Bootstrap(500).ExpectedCalibrationError;
        Assert.AreEqual(0.0, error.Estimate);
        Assert.AreEqual(0.0, error.Lower);
        Assert.IsGreaterThan(0.1, error.Upper);
    }

    [TestMethod]
    public void WrongArgumentsAreNamed()
    {
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute([1, 0], [0], 2);
        Assert.AreEqual("numberOfResamples",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => metrics.Bootstrap(99)).ParamName);
        foreach (double level in new[] { 0, 1, double.NaN, 95 })
        {
            Assert.AreEqual("confidenceLevel",
                Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => metrics.Bootstrap(100, level)).ParamName);
        }
    }

    [TestMethod]
    public void AnIntervalIsReadable()
    {
        string text = new ConfidenceInterval(.0421, .031, .05).ToString();
        Assert.AreEqual("0.0421 [0.0310, 0.0500]", text);
    }

    /// <summary>Confidences between 0.5 and 1 of a binary model, and whether each was right.</summary>
    private static (float Confidence, bool Correct)[] Sample(int seed, int rows, Func<double, double> accuracy)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, rows).Select(_ =>
        {
            float confidence = 0.5f + 0.499f * MathF.Sqrt(random.NextSingle());
            return (confidence, random.NextDouble() < accuracy(confidence));
        })];
    }

    private static MulticlassCalibrationMetrics Metrics((float Confidence, bool Correct)[] rows) => CalibrationMetrics.Compute(
        CalibrationMetricsTests.TwoClasses([.. rows.Select(row => row.Confidence)]), [.. rows.Select(row => row.Correct ? 0 : 1)], 2);
}
