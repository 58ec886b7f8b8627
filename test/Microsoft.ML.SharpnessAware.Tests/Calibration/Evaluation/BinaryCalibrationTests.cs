using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class BinaryCalibrationTests
{
    private const double Exact = 1e-7;

    private readonly MLContext _mlContext = new(seed: 1);

    /// <summary>Five rows in two bins: (.1 no, .3 yes, .4 no) and (.8 yes, .9 no).</summary>
    [TestMethod]
    public void EveryNumberByHand()
    {
        BinaryCalibrationMetrics metrics = CalibrationMetrics.ComputeBinary([.1f, .9f, .3f, .8f, .4f], [false, false, true, true, false],
            2);
        double error = metrics.ExpectedCalibrationError;
        Assert.AreEqual((Math.Abs(.8 - 1) + Math.Abs(1.7 - 1)) / 5, error, Exact);
        Assert.AreEqual(.35, metrics.MaximumCalibrationError, Exact);
        Assert.AreEqual((.01 + .81 + .49 + .04 + .16) / 5, metrics.BrierScore, Exact);
        Assert.AreEqual(-(Math.Log(.9) + Math.Log(.1) + Math.Log(.3) + Math.Log(.8) + Math.Log(.6)) / 5, metrics.LogLoss, Exact);
        Assert.AreEqual(.4, metrics.PositiveRate, Exact);
        Assert.AreEqual(.5, metrics.MeanProbability, Exact);
        MurphyDecomposition parts = metrics.BrierDecomposition;
        Assert.AreEqual((3 * Math.Pow(.8 / 3 - 1 / 3.0, 2) + 2 * .35 * .35) / 5, parts.Reliability, Exact);
        Assert.AreEqual((3 * Math.Pow(1 / 3.0 - .4, 2) + 2 * .01) / 5, parts.Resolution, Exact);
        Assert.AreEqual(.24, parts.Uncertainty, Exact);
    }

    /// <summary>Where all probabilities of a bin are equal, the three parts are the Brier score.</summary>
    [TestMethod]
    public void MurphysPartsAreTheBrierScore()
    {
        Random random = new(1);
        float[] p = [.. Enumerable.Range(0, 500).Select(_ => (random.Next(10) + 0.5f) / 10)];
        bool[] y = [.. p.Select(value => random.NextDouble() < value * value)];
        BinaryCalibrationMetrics metrics = CalibrationMetrics.ComputeBinary(p, y, 10);
        MurphyDecomposition parts = metrics.BrierDecomposition;
        Assert.AreEqual(metrics.BrierScore, parts.Reliability - parts.Resolution + parts.Uncertainty, 1e-6);
    }

    [TestMethod]
    public void TwoClassesOfAMulticlassModelHaveTheSameScores()
    {
        Random random = new(2);
        float[] p = [.. Enumerable.Range(0, 300).Select(_ => random.NextSingle())];
        bool[] y = [.. p.Select(value => random.NextDouble() < value)];
        BinaryCalibrationMetrics binary = CalibrationMetrics.ComputeBinary(p, y);
        MulticlassCalibrationMetrics multiclass = CalibrationMetrics.Compute(
            [.. p.SelectMany(value => new[] { 1 - value, value })], [.. y.Select(value => value ? 1 : 0)], 2);
        Assert.AreEqual(multiclass.BrierScore, 2 * binary.BrierScore, 1e-6);
        Assert.AreEqual(multiclass.LogLoss, binary.LogLoss, 1e-6);
        Assert.AreEqual(multiclass.PerClass[1].ExpectedCalibrationError, binary.ExpectedCalibrationError, 1e-6);
        // (y − p)(1 − 2p) is the same for both classes.
        Assert.AreEqual(multiclass.SpiegelhalterTest.Statistic, binary.SpiegelhalterTest.Statistic, 1e-4);
    }

    [TestMethod]
    public void ScoresOfMLNetTrainersAreMeasured()
    {
        Random random = new(5);
        IDataView data = _mlContext.Data.LoadFromEnumerable(Enumerable.Range(0, 500).Select(_ =>
        {
            float x = random.NextSingle(), y = random.NextSingle();
            return new Example { Label = x + random.NextSingle() < 1, Features = [x, y] };
        }).ToArray());
        IDataView scored = _mlContext.BinaryClassification.Trainers.LbfgsLogisticRegression().Fit(data).Transform(data);

        BinaryCalibrationMetrics metrics = _mlContext.BinaryClassification.EvaluateCalibration(scored);

        CalibratedBinaryClassificationMetrics evaluated = _mlContext.BinaryClassification.Evaluate(scored);
        Assert.AreEqual(evaluated.LogLoss * Math.Log(2), metrics.LogLoss, 1e-6);
        Assert.AreEqual(500, metrics.Count);
        Assert.IsGreaterThan(0.01, metrics.SpiegelhalterTest.PValue);
        Assert.AreEqual(0.0, metrics.Bootstrap(200).ExpectedCalibrationError.Lower);
        StringAssert.Contains(metrics.ToString(), "Spiegelhalter's z");

        IDataView withoutProbability = _mlContext.BinaryClassification.Trainers.LinearSvm().Fit(data).Transform(data);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _mlContext.BinaryClassification.EvaluateCalibration(withoutProbability)).Message,
                "Could not find probability column 'Probability'");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
            () => _mlContext.BinaryClassification.EvaluateCalibration(withoutProbability, probabilityColumnName: "Score")).Message, "row ");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _mlContext.BinaryClassification.EvaluateCalibration(scored, labelColumnName: "Score")).Message, "expected Boolean");
    }

    [TestMethod]
    public void RowsWithoutProbabilityAreLeftOutAndCounted()
    {
        IDataView data = _mlContext.Data.LoadFromEnumerable(
            new[] { .9f, float.NaN, .2f }.Select(p => new Row { Label = true, Probability = p }));
        BinaryCalibrationMetrics metrics = _mlContext.BinaryClassification.EvaluateCalibration(data);
        Assert.AreEqual(2, metrics.Count);
        Assert.AreEqual(1, metrics.SkippedRows);
        Assert.ThrowsExactly<InvalidOperationException>(
            () => _mlContext.BinaryClassification.EvaluateCalibration(_mlContext.Data.TakeRows(_mlContext.Data.SkipRows(data, 1), 1)));
        Assert.ThrowsExactly<InvalidOperationException>(
            () => _mlContext.BinaryClassification.EvaluateCalibration(_mlContext.Data.SkipRows(data, 3)));
    }

    /// <summary>Rare positives, of which none or few came: what a plain bootstrap cannot see.</summary>
    [TestMethod]
    [DataRow(0.01, 100)]
    [DataRow(0.01, 1000)]
    [DataRow(0.3, 50)]
    public void IntervalsHoldTheTrueValuesAsOftenAsPromised(double p, int rows)
    {
        const int Samples = 200;
        int[] held = new int[5];
        double entropy = -p * Math.Log(p) - (1 - p) * Math.Log(1 - p);
        for (int sample = 0; sample < Samples; sample++)
        {
            Random random = new(sample);
            BinaryCalibrationIntervals intervals = CalibrationMetrics.ComputeBinary(
                [.. Enumerable.Repeat((float)p, rows)], [.. Enumerable.Range(0, rows).Select(_ => random.NextDouble() < p)])
                    .Bootstrap(100, seed: sample);
            Count(0, intervals.ExpectedCalibrationError, 0);
            Count(1, intervals.AdaptiveCalibrationError, 0);
            Count(2, intervals.PositiveRate, p);
            Count(3, intervals.LogLoss, entropy);
            Count(4, intervals.BrierScore, p * (1 - p));
        }

        for (int number = 0; number < held.Length; number++)
            Assert.IsGreaterThanOrEqualTo(Samples * 91 / 100, held[number], $"number {number}");

        void Count(int number, ConfidenceInterval interval, double truth) =>
            held[number] += interval.Lower <= truth + 1e-7 && truth - 1e-7 <= interval.Upper ? 1 : 0;
    }

    [TestMethod]
    public void WrongArraysAreNamed()
    {
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
            () => CalibrationMetrics.ComputeBinary([.5f, 1.2f], [true, false])).Message, "Row 1");
        Assert.ThrowsExactly<ArgumentException>(() => CalibrationMetrics.ComputeBinary([.5f], [true, false]));
        Assert.ThrowsExactly<ArgumentException>(() => CalibrationMetrics.ComputeBinary([], []));
        Assert.ThrowsExactly<ArgumentException>(() => CalibrationMetrics.ComputeBinary([float.NaN], [true]));
        Assert.AreEqual("numberOfBins", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => CalibrationMetrics.ComputeBinary([.5f], [true], 0)).ParamName);
    }

    private sealed class Example
    {
        public bool Label { get; set; }

        [VectorType(2)]
        public float[] Features { get; set; } = [];
    }

    private sealed class Row
    {
        public bool Label { get; set; }

        public float Probability { get; set; }
    }
}
