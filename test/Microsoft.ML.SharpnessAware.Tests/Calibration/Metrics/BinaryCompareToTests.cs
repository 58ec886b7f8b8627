namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Two binary models on the same rows.</summary>
[TestClass]
public sealed class BinaryCompareToTests
{
    private readonly MLContext _mlContext = new(seed: 1);

    [TestMethod]
    public void DifferencesAreThoseOfTheMetrics()
    {
        (BinaryCalibrationMetrics a, BinaryCalibrationMetrics b) = TwoModels.Binary(seed: 1, rows: 400, advantage: .5);
        BinaryCalibrationComparison difference = a.CompareTo(b);
        Assert.AreEqual(400, difference.Count);
        Assert.IsNull(difference.NumberOfClusters);
        TwoModels.AssertAreDifferences(
            (a.LogLoss - b.LogLoss, difference.LogLoss), (a.BrierScore - b.BrierScore, difference.BrierScore),
            (a.MeanProbability - b.MeanProbability, difference.MeanProbability),
            (a.ExpectedCalibrationError - b.ExpectedCalibrationError, difference.ExpectedCalibrationError));

        (BinaryCalibrationMetrics sharp, BinaryCalibrationMetrics blurred) = TwoModels.Binary(seed: 1, rows: 3000, advantage: 1);
        double upper = sharp.CompareTo(blurred).LogLoss.Upper;
        Assert.IsLessThan(0, upper);
        ConfidenceInterval ofItself = a.CompareTo(a).ExpectedCalibrationError;
        Assert.AreEqual(new ConfidenceInterval(0, 0, 0), ofItself);
        StringAssert.StartsWith(difference.ToString(), "Differences on 400 rows, with 95% intervals");
    }

    /// <summary>The rows as ones of two classes: the same log loss, twice the Brier score.</summary>
    [TestMethod]
    public void TwoClassesOfAMulticlassModelDifferByTheSame()
    {
        (MulticlassCalibrationMetrics a, MulticlassCalibrationMetrics b) = TwoModels.OfTwoClasses(seed: 2, rows: 500, advantage: .3);
        (BinaryCalibrationMetrics p, BinaryCalibrationMetrics q) = TwoModels.Binary(seed: 2, rows: 500, advantage: .3);
        CalibrationComparison two = a.CompareTo(b);
        BinaryCalibrationComparison one = p.CompareTo(q);
        Assert.AreEqual(two.LogLoss.Estimate, one.LogLoss.Estimate, 1e-6);
        Assert.AreEqual(two.BrierScore.Estimate, 2 * one.BrierScore.Estimate, 1e-6);
        Assert.AreEqual(two.LogLoss.Upper - two.LogLoss.Lower, one.LogLoss.Upper - one.LogLoss.Lower, .01);
    }

    /// <summary>Two models of equal worth: the intervals hold 0 in about 95 % of the samples, also where positives are rare.</summary>
    [TestMethod]
    [DataRow(100, 0.0)]
    [DataRow(1000, -2.5)]
    public void EqualModelsAreFoundEqualAsOftenAsPromised(int rows, double shift)
    {
        TwoModels.AssertHoldZero(sample =>
        {
            (BinaryCalibrationMetrics a, BinaryCalibrationMetrics b) = TwoModels.Binary(sample, rows, advantage: 0, shift);
            BinaryCalibrationComparison difference = a.CompareTo(b, 100, seed: sample);
            return [difference.LogLoss, difference.BrierScore, difference.MeanProbability, difference.ExpectedCalibrationError];
        });
    }

    /// <summary>One model says 1 % of every row and the other 6 %; 2 % are positive.</summary>
    [TestMethod]
    [DataRow(20)]
    [DataRow(50)]
    [DataRow(100)]
    public void WherePositivesAreRareTheIntervalHoldsTheTruthAsOftenAsItSays(int rows)
    {
        const int Draws = 200;
        int held = 0;
        for (int draw = 0; draw < Draws; draw++)
        {
            var random = new Random(draw);
            bool[] labels = [.. Enumerable.Range(0, rows).Select(_ => random.NextDouble() < .02)];
            ConfidenceInterval interval = CalibrationMetrics.ComputeBinary([.. labels.Select(_ => .01f)], labels)
                .CompareTo(CalibrationMetrics.ComputeBinary([.. labels.Select(_ => .06f)], labels), 100, seed: draw)
                .ExpectedCalibrationError;
            held += interval.Lower <= -.03 && interval.Upper >= -.03 ? 1 : 0;
        }

        Assert.IsGreaterThan(1e-3, BinomialTail.AtMost(held, Draws, .95), $"{held} of {Draws}");
    }

    /// <summary>A probability of 0 has no sign by itself, and still is of a positive row or of a negative one.</summary>
    [TestMethod]
    public void ProbabilitiesOfZeroAndOneAreComparedToo()
    {
        bool[] labels = [true, false, true, false];
        BinaryCalibrationMetrics a = CalibrationMetrics.ComputeBinary([0, 0, 1, 1], labels),
            b = CalibrationMetrics.ComputeBinary([.5f, .5f, .6f, .6f], labels);
        Assert.AreEqual(a.ExpectedCalibrationError - b.ExpectedCalibrationError, a.CompareTo(b).ExpectedCalibrationError.Estimate, 1e-6);
        Assert.AreEqual(a.PositiveRate, a.Bootstrap(100).PositiveRate.Estimate, 1e-9);
    }

    [TestMethod]
    public void OtherRowsAndOtherClustersAreRefused()
    {
        BinaryCalibrationMetrics a = CalibrationMetrics.ComputeBinary([.8f, .3f], [true, false]);
        AssertRefused("of 2 rows, and the others of 1", a, CalibrationMetrics.ComputeBinary([.8f], [true]));
        AssertRefused("another order", a, CalibrationMetrics.ComputeBinary([.3f, .8f], [false, true]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => a.CompareTo(a, numberOfResamples: 10));
        Assert.ThrowsExactly<ArgumentNullException>(() => a.CompareTo(null!));

        Row[] rows = [.. Enumerable.Range(0, 30).Select(i => new Row { Label = i % 3 == 0, Probability = i / 30f, Patient = i % 4 })];
        BinaryCalibrationMetrics byPatient = Evaluate(rows, "Patient"), byRow = Evaluate(rows, null);
        Assert.AreEqual(4, byPatient.CompareTo(byRow).NumberOfClusters);
        foreach (Row row in rows)
            row.Patient %= 2;
        AssertRefused("different ones", byPatient, Evaluate(rows, "Patient"));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Evaluate(rows, "Nobody")).Message, "cluster");

        static void AssertRefused(string problem, BinaryCalibrationMetrics one, BinaryCalibrationMetrics other) =>
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => one.CompareTo(other)).Message, problem);
    }

    [TestMethod]
    public void RowsThatAreLeftOutAreTheSameInBothOrTheyAreRefused()
    {
        BinaryCalibrationMetrics first = Without(0), later = Without(3);
        Assert.AreEqual(0.0, first.CompareTo(Without(0), 100).LogLoss.Estimate);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => first.CompareTo(later)).Message, "other rows were left out");

        BinaryCalibrationMetrics Without(int left) => Evaluate(
            [.. Enumerable.Range(0, 20).Select(i => new Row { Label = i < 10, Probability = i == left ? float.NaN : i / 20f })], null);
    }

    /// <summary>Each row ten times: by cluster the intervals are those of the single rows.</summary>
    [TestMethod]
    public void RowsThatAreCopiesSayNoMoreWhereTheyAreAClusterOfTheirOwn()
    {
        (float[] p, float[] q, bool[] labels) = TwoModels.Draw(seed: 4, rows: 300, advantage: .2);
        Row[] a = Rows(p), b = Rows(q);
        Row[] manyA = [.. a.SelectMany(row => Enumerable.Repeat(row, 10))], manyB = [.. b.SelectMany(row => Enumerable.Repeat(row, 10))];
        BinaryCalibrationComparison single = Evaluate(a, null).CompareTo(Evaluate(b, null)),
            clustered = Evaluate(manyA, "Patient").CompareTo(Evaluate(manyB, "Patient"));
        Assert.AreEqual(300, clustered.NumberOfClusters);
        foreach (Func<BinaryCalibrationComparison, ConfidenceInterval> value in new Func<BinaryCalibrationComparison, ConfidenceInterval>[]
            { one => one.LogLoss, one => one.BrierScore, one => one.MeanProbability, one => one.ExpectedCalibrationError })
        {
            Assert.AreEqual(value(single).Estimate, value(clustered).Estimate, 1e-6);
            Assert.AreEqual(1, Width(value(clustered)) / Width(value(single)), .15);
        }

        Row[] Rows(float[] of) => [.. of.Select((value, i) => new Row { Label = labels[i], Probability = value, Patient = i })];
    }

    /// <summary>One bin mixes rows that are sure of either outcome; how sure the rows are does not depend on that.</summary>
    [TestMethod]
    public void BinsDoNotDecideWhatARowMoreCouldCost()
    {
        bool[] labels = [.. Enumerable.Range(0, 20).Select(i => i >= 10)];
        BinaryCalibrationMetrics Of(float sure, int bins) =>
            CalibrationMetrics.ComputeBinary([.. labels.Select(isPositive => isPositive ? sure : 1 - sure)], labels, bins);
        BinaryCalibrationIntervals one = Of(.99f, 1).Bootstrap(), many = Of(.99f, 15).Bootstrap();
        BinaryCalibrationComparison byOne = Of(.99f, 1).CompareTo(Of(.9f, 1)), byMany = Of(.99f, 15).CompareTo(Of(.9f, 15));
        foreach ((ConfidenceInterval ofOne, ConfidenceInterval ofMany) in new[]
        {
            (one.LogLoss, many.LogLoss), (one.BrierScore, many.BrierScore), (byOne.LogLoss, byMany.LogLoss),
            (byOne.BrierScore, byMany.BrierScore),
        })
        {
            Assert.IsGreaterThan(.05, Width(ofMany));
            Assert.AreEqual(1, Width(ofOne) / Width(ofMany), .1, $"{ofOne} {ofMany}");
        }
    }

    private static double Width(ConfidenceInterval interval) => interval.Upper - interval.Lower;

    private BinaryCalibrationMetrics Evaluate(Row[] rows, string? clusters) =>
        _mlContext.BinaryClassification.EvaluateCalibration(_mlContext.Data.LoadFromEnumerable(rows), clusterColumnName: clusters);

    private sealed class Row
    {
        public bool Label { get; set; }

        public float Probability { get; set; }

        public int Patient { get; set; }
    }
}
