using System.Runtime.Intrinsics;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class BootstrapTests
{
    /// <summary>The test whether an error is chance and the lower end have draws of their own, which may disagree on one row.</summary>
    [TestMethod]
    public void TheEndsAreInOrderOnTheFewestRows()
    {
        MulticlassCalibrationMetrics[] few =
        [
            CalibrationMetrics.Compute([.975f, .025f], [1], 2), CalibrationMetrics.Compute([.99f, .01f], [1], 2),
            CalibrationMetrics.Compute([1, 0, 1, 0, 1, 0, 1, 0, 1, 0, .9999f, .0001f], [1, 1, 1, 1, 1, 1], 2),
        ];
        foreach (MulticlassCalibrationMetrics metrics in few)
        {
            for (int seed = 0; seed < 100; seed++)
            {
                ConfidenceInterval error = metrics.Bootstrap(100, seed: seed).ExpectedCalibrationError;
                Assert.IsLessThanOrEqualTo(error.Upper, error.Lower);
                Assert.IsTrue(metrics.Count > 1 || error.Lower < .5, $"one row says that the error is at least {error.Lower:F2}");
            }
        }
    }

    /// <summary>One row that says .975 does not tell whether the error is .025 or .975, and chance would add to the latter.</summary>
    [TestMethod]
    public void NoEndIsAboveOne()
    {
        CalibrationIntervals intervals = CalibrationMetrics.Compute([.975f, .025f], [0], 2).Bootstrap();
        Assert.AreEqual(1.0, intervals.ExpectedCalibrationError.Upper);
        Assert.AreEqual(1.0, intervals.AdaptiveCalibrationError.Upper);
        Assert.AreEqual(1.0, intervals.RootMeanSquareCalibrationError.Upper);
    }

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

    /// <summary>The means of a share are exactly Clopper and Pearson's, but for the chance of the draws.</summary>
    [TestMethod]
    [DataRow(100, 0)]
    [DataRow(100, 7)]
    [DataRow(20, 20)]
    public void TheMeanOfAShareHasTheExactInterval(int rows, int ones)
    {
        OutcomeCell[] cells = new OutcomeCell[2];
        for (int row = 0; row < rows; row++)
            cells[row < ones ? 1 : 0].Add(OutcomeCell.Row(row < ones ? 1 : 0));
        ConfidenceInterval exact = BinomialTail.Interval(ones, rows);
        AssertMean(exact.Lower, exact.Upper, 0.004, cells, OutcomeCell.Row(0), OutcomeCell.Row(1));
    }

    /// <summary>Rows 0 and 1 share a cell. Weights of two rows give their mean a variance of ¼/3, and the third row lies at ½: the ends are
    /// the percentiles of ½ + B z/√12, with B of Beta(2, 1) and z normal.</summary>
    [TestMethod]
    public void RowsOfACellVaryAsIfEachHadItsWeight()
    {
        OutcomeCell cell = new();
        cell.Add(OutcomeCell.Row(0));
        cell.Add(OutcomeCell.Row(1));
        AssertMean(.077, .923, 0.01, [cell], OutcomeCell.Row(.5), OutcomeCell.Row(.5));
    }

    /// <summary>100 rows of confidence .99, all right: a calibrated model shows this in 37 % of samples. The interval once was [.01,
    /// .01].</summary>
    [TestMethod]
    public void ErrorsThatDidNotOccurAreAllowedFor()
    {
        CalibrationIntervals intervals = Metrics([.. Enumerable.Repeat((.99f, true), 100)]).Bootstrap();
        foreach (ConfidenceInterval error in new[]
        {
            intervals.ExpectedCalibrationError, intervals.AdaptiveCalibrationError, intervals.RootMeanSquareCalibrationError,
        })
        {
            Assert.AreEqual(0.01, error.Estimate, 1e-7);
            Assert.AreEqual(0, error.Lower);
            Assert.IsGreaterThan(0.02, error.Upper);
            Assert.IsLessThan(0.06, error.Upper);
        }

        Assert.AreEqual(1 - 0.0362, intervals.Accuracy.Lower, 1e-4);
        Assert.IsGreaterThan(-0.99 * Math.Log(.99) - .01 * Math.Log(.01), intervals.LogLoss.Upper);
        Assert.IsGreaterThan(2 * .99 * .01, intervals.BrierScore.Upper);
    }

    /// <summary>A small form of the benchmark "interval-coverage", whose table is in docs/evidence.md: every interval of a calibrated
    /// model holds the true value in about 95 % of the samples.</summary>
    [TestMethod]
    [DataRow(".5 to 1", 20)]
    [DataRow(".5 to 1", 300)]
    [DataRow("all .9", 50)]
    [DataRow("all .99", 20)]
    [DataRow("all .99", 50)]
    [DataRow("all .99", 100)]
    [DataRow("all .99", 1000)]
    [DataRow("all .999", 300)]
    [DataRow(".98 to 1", 300)]
    [DataRow(".98 to 1", 1000)]
    [DataRow("mixture", 100)]
    public void IntervalsHoldTheTrueValuesAsOftenAsPromised(string confidences, int rows)
    {
        const int Samples = 200;
        Func<double, double> confidence = confidences switch
        {
            ".5 to 1" => u => 0.5 + 0.5 * u,
            "all .9" => _ => 0.9,
            "all .99" => _ => 0.99,
            "all .999" => _ => 0.999,
            ".98 to 1" => u => 0.98 + 0.02 * u,
            _ => u => u < 0.5 ? 0.5 + u : 0.999,
        };
        double[] all = [.. Enumerable.Range(0, 10_000).Select(i => (double)(float)confidence((i + 0.5) / 10_000))];
        double accuracy = all.Average(), brier = all.Average(c => 2 * c * (1 - c));
        double entropy = all.Average(c => -c * Math.Log(c) - (1 - c) * Math.Log(1 - c));
        int[] held = new int[8];
        for (int sample = 0; sample < Samples; sample++)
        {
            Random random = new(sample);
            CalibrationIntervals intervals = Metrics([.. Enumerable.Range(0, rows).Select(_ =>
            {
                float c = (float)confidence(random.NextDouble());
                return (c, random.NextDouble() < c);
            })]).Bootstrap(100, seed: sample);
            Count(0, intervals.ExpectedCalibrationError, 0);
            Count(1, intervals.AdaptiveCalibrationError, 0);
            Count(2, intervals.RootMeanSquareCalibrationError, 0);
            Count(3, intervals.Accuracy, accuracy);
            Count(4, intervals.MeanConfidence, accuracy);
            Count(5, intervals.LogLoss, entropy);
            Count(6, intervals.BrierScore, brier);
            Count(7, intervals.MeanEntropy, entropy);
        }

        for (int number = 0; number < held.Length; number++)
            Assert.IsGreaterThanOrEqualTo(Samples * 91 / 100, held[number], $"number {number}");

        void Count(int number, ConfidenceInterval interval, double truth) =>
            held[number] += interval.Lower <= truth + 1e-7 && truth - 1e-7 <= interval.Upper ? 1 : 0;
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

    /// <summary>The ends of an interval of 99 % are the first and the last of 199 draws; of fewer it would be one of less.</summary>
    [TestMethod]
    [DataRow(.99, 199)]
    [DataRow(.9999, 19_999)]
    [DataRow(.999, 1_999)]
    public void AnIntervalOfAHigherLevelThanTheDrawsReachIsRefused(double level, int needed)
    {
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute([.8f, .2f, .7f, .3f], [0, 1], 2);
        BinaryCalibrationMetrics binary = CalibrationMetrics.ComputeBinary([.8f, .3f], [true, false]);
        foreach (Action<int> draw in (Action<int>[])[number => metrics.Bootstrap(number, level),
            number => metrics.CompareTo(metrics, number, level), number => binary.Bootstrap(number, level),
            number => binary.CompareTo(binary, number, level)])
        {
            var refusal = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => draw(needed - 1));
            Assert.AreEqual("numberOfResamples", refusal.ParamName);
            StringAssert.Contains(refusal.Message, FormattableString.Invariant($"at least {needed:N0} resamples"));
            draw(needed);
        }

        Assert.AreEqual(.95, metrics.Bootstrap().ConfidenceLevel);
        Assert.AreEqual(.95, metrics.Bootstrap(100).ConfidenceLevel);
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

    private static void AssertMean(double lower, double upper, double tolerance, OutcomeCell[] cells, Vector256<double> smallest,
        Vector256<double> largest)
    {
        const int Resamples = 40_000;
        MeanIntervals intervals = new(cells, smallest, largest, Resamples, new BootstrapRandom(1, 0));
        for (int i = 0; i < Resamples; i++)
            intervals.Draw();

        ConfidenceInterval actual = intervals.GetInterval(RowNumber.Confidence, 0.95);
        Assert.AreEqual(lower, actual.Lower, tolerance);
        Assert.AreEqual(upper, actual.Upper, tolerance);
    }

    private static MulticlassCalibrationMetrics Metrics((float Confidence, bool Correct)[] rows) => CalibrationMetrics.Compute(
        CalibrationMetricsTests.TwoClasses([.. rows.Select(row => row.Confidence)]), [.. rows.Select(row => row.Correct ? 0 : 1)], 2);
}
