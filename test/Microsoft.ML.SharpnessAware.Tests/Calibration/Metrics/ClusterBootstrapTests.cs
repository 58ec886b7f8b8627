namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Intervals of one model whose rows belong together.</summary>
[TestClass]
public sealed class ClusterBootstrapTests
{
    private static readonly (string Name, Func<CalibrationIntervals, ConfidenceInterval> Value)[] All =
    [
        ("accuracy", one => one.Accuracy), ("confidence", one => one.MeanConfidence), ("log loss", one => one.LogLoss),
        ("Brier", one => one.BrierScore), ("entropy", one => one.MeanEntropy), ("ECE", one => one.ExpectedCalibrationError),
        ("adaptive ECE", one => one.AdaptiveCalibrationError), ("RMS", one => one.RootMeanSquareCalibrationError),
    ];

    /// <summary>Each row ten times: by cluster the intervals are those of the single rows, by row they are far too narrow.</summary>
    [TestMethod]
    public void RowsThatAreCopiesSayNoMoreWhereTheyAreAClusterOfTheirOwn()
    {
        (float[] scores, int[] labels) = Overconfident(rows: 400);
        float[] manyScores = [.. Enumerable.Range(0, 4000).SelectMany(row => scores.AsSpan(2 * (row / 10), 2).ToArray())];
        int[] manyLabels = [.. Enumerable.Range(0, 4000).Select(row => labels[row / 10])];
        CalibrationIntervals single = Metrics(scores, labels, []).Bootstrap(),
            clustered = Metrics(manyScores, manyLabels, [.. Enumerable.Range(0, 4000).Select(row => row / 10)]).Bootstrap(),
            copies = Metrics(manyScores, manyLabels, []).Bootstrap();
        Assert.IsNull(single.NumberOfClusters);
        Assert.AreEqual(400, clustered.NumberOfClusters);
        StringAssert.StartsWith(clustered.ToString(), "95% intervals from 1,000 resamples in 400 clusters");
        foreach ((string name, Func<CalibrationIntervals, ConfidenceInterval> value) in All)
        {
            Assert.AreEqual(value(single).Estimate, value(clustered).Estimate, 1e-6, name);
            Assert.AreEqual(1, Width(value(clustered)) / Width(value(single)), .2, name);
            Assert.IsLessThan(.6, Width(value(copies)) / Width(value(single)), name);
        }
    }

    /// <summary>A cluster for each row says nothing new.</summary>
    [TestMethod]
    public void ClustersOfOneRowGiveTheIntervalsOfRows()
    {
        (float[] scores, int[] labels) = Overconfident(rows: 600);
        CalibrationIntervals single = Metrics(scores, labels, []).Bootstrap(),
            clustered = Metrics(scores, labels, [.. Enumerable.Range(0, 600)]).Bootstrap();
        foreach ((string name, Func<CalibrationIntervals, ConfidenceInterval> value) in All)
            Assert.AreEqual(1, Width(value(clustered)) / Width(value(single)), .12, name);
    }

    /// <summary>Patients that are hard or easy to a model that is calibrated over all of them: intervals by cluster hold the truth as often
    /// as they should, intervals by row far too seldom.</summary>
    [TestMethod]
    [DataRow(20)]
    [DataRow(60)]
    public void IntervalsByClusterHoldTheTruthAsOftenAsTheySay(int patients)
    {
        const int Draws = 150, Pictures = 15;
        const double Confidence = .8;
        double entropy = -Confidence * Math.Log(Confidence) - (1 - Confidence) * Math.Log(1 - Confidence);
        (string Name, Func<CalibrationIntervals, ConfidenceInterval> Value, double Truth)[] numbers =
        [
            ("accuracy", one => one.Accuracy, Confidence), ("log loss", one => one.LogLoss, entropy),
            ("Brier", one => one.BrierScore, 2 * Confidence * (1 - Confidence)), ("ECE", one => one.ExpectedCalibrationError, 0),
            ("adaptive ECE", one => one.AdaptiveCalibrationError, 0), ("RMS", one => one.RootMeanSquareCalibrationError, 0),
        ];
        int[] byCluster = new int[numbers.Length], byRow = new int[numbers.Length];
        for (int draw = 0; draw < Draws; draw++)
        {
            var random = new Random(draw);
            float[] scores = [.. Enumerable.Range(0, patients * Pictures)
                .SelectMany(_ => new[] { (float)Confidence, (float)(1 - Confidence) })];
            int[] labels = new int[patients * Pictures];
            for (int patient = 0; patient < patients; patient++)
            {
                double right = random.NextDouble() < .5 ? Confidence + .15 : Confidence - .15;
                for (int picture = 0; picture < Pictures; picture++)
                    labels[patient * Pictures + picture] = random.NextDouble() < right ? 0 : 1;
            }

            int[] clusters = [.. Enumerable.Range(0, labels.Length).Select(row => row / Pictures)];
            Count(byCluster, Metrics(scores, labels, clusters).Bootstrap(200, seed: draw));
            Count(byRow, Metrics(scores, labels, []).Bootstrap(200, seed: draw));
        }

        for (int number = 0; number < numbers.Length; number++)
        {
            Assert.IsGreaterThan(1e-3, BinomialTail.AtMost(byCluster[number], Draws, .93),
                $"{numbers[number].Name}: {byCluster[number]} of {Draws} by cluster");
            Assert.IsLessThan(.9 * Draws, byRow[number], $"{numbers[number].Name} by row");
        }

        void Count(int[] held, CalibrationIntervals intervals)
        {
            for (int number = 0; number < numbers.Length; number++)
            {
                ConfidenceInterval interval = numbers[number].Value(intervals);
                held[number] += interval.Lower <= numbers[number].Truth + 1e-7 && numbers[number].Truth - 1e-7 <= interval.Upper ? 1 : 0;
            }
        }
    }

    [TestMethod]
    public void OneClusterSaysNothingAndNoMistakeIsAllowedFor()
    {
        float[] scores = [.. Enumerable.Repeat(new[] { .95f, .05f }, 60).SelectMany(row => row)];
        CalibrationIntervals one = Metrics(scores, new int[60], new int[60]).Bootstrap();
        Assert.AreEqual(1, one.NumberOfClusters);
        Assert.AreEqual((0.0, 1.0), (one.ExpectedCalibrationError.Lower, one.ExpectedCalibrationError.Upper));
        Assert.IsLessThan(.2, one.Accuracy.Lower);

        // Thirty clusters of two right rows: three in a hundred clusters may still be wrong.
        CalibrationIntervals many = Metrics(scores, new int[60], [.. Enumerable.Range(0, 60).Select(row => row / 2)]).Bootstrap();
        Assert.IsTrue(many.Accuracy.Lower is > .8 and < .92, $"{many.Accuracy}");
        Assert.IsGreaterThan(.05, many.ExpectedCalibrationError.Upper);
    }

    [TestMethod]
    public void BinaryModelsHaveThemToo()
    {
        var accumulator = new BinaryCalibrationAccumulator(15);
        var random = new Random(5);
        for (int row = 0; row < 500; row++)
        {
            float p = row % 50 == 0 ? 0 : random.NextSingle();
            bool label = random.NextDouble() < p;
            for (int copy = 0; copy < 4; copy++)
                accumulator.Add(p, label, cluster: row);
        }

        BinaryCalibrationMetrics metrics = accumulator.GetMetrics();
        BinaryCalibrationIntervals intervals = metrics.Bootstrap();
        Assert.AreEqual(500, intervals.NumberOfClusters);
        Assert.AreEqual(0.0, intervals.ExpectedCalibrationError.Lower);
        Assert.AreEqual(metrics.PositiveRate, intervals.PositiveRate.Estimate, 1e-9);
        Assert.AreEqual(metrics.MeanProbability, intervals.MeanProbability.Estimate, 1e-6);
        Assert.AreEqual(2 * 1.96 * Math.Sqrt(.25 / 500), Width(intervals.PositiveRate), .015);
        StringAssert.StartsWith(intervals.ToString(), "95% intervals from 1,000 resamples in 500 clusters");
    }

    private static double Width(ConfidenceInterval interval) => interval.Upper - interval.Lower;

    private static (float[] Scores, int[] Labels) Overconfident(int rows)
    {
        var random = new Random(9);
        float[] scores = new float[2 * rows];
        int[] labels = new int[rows];
        for (int row = 0; row < rows; row++)
        {
            float p = .5f + .5f * random.NextSingle();
            (scores[2 * row], scores[2 * row + 1]) = (p, 1 - p);
            labels[row] = random.NextDouble() < p - .25 * (p - .5) ? 0 : 1;
        }

        return (scores, labels);
    }

    private static MulticlassCalibrationMetrics Metrics(float[] scores, int[] labels, int[] clusters)
    {
        var accumulator = new CalibrationAccumulator(2, 15);
        accumulator.Add(scores, labels, default, clusters);
        return accumulator.GetMetrics();
    }
}
