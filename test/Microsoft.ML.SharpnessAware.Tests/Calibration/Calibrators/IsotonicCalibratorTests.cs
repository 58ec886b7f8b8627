using CsCheck;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Runtime;
using static Microsoft.ML.SharpnessAware.Tests.Calibration.CalibratorFits;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class IsotonicCalibratorTests
{
    /// <summary>0 · 1 0 · 1 1 0 · 1 in order of the scores: the violators 1 0 pool to ½, and 1 1 0 to ⅔, which is above ½.</summary>
    [TestMethod]
    public void PairAdjacentViolatorsByHand()
    {
        IsotonicCalibrator f = Pav((.1f, false), (.2f, true), (.3f, false), (.4f, true), (.5f, true), (.6f, false), (.9f, true));
        AssertEqual([.1f, .2f, .4f, .9f], f.Mins);
        AssertEqual([.1f, .3f, .6f, .9f], f.Maxes);
        AssertEqual([0, .5f, 2 / 3f, 1], f.Values);
        Assert.AreEqual(.5f, f.PredictProbability(.25f));
        Assert.AreEqual(.25f, f.PredictProbability(.15f), 1e-6f);      // half-way between two pieces
    }

    /// <summary>Rows of equal scores are one point: ½ at .2 and ⅔ at .3 do not violate the order, whichever of them comes first.</summary>
    [TestMethod]
    public void EqualScoresArePooledBeforeTheirNeighbours() => Gen.Shuffle(
        new[] { (.2f, false), (.2f, true), (.3f, false), (.3f, true), (.3f, true) }).Sample(rows =>
    {
        IsotonicCalibrator f = Pav(rows);
        AssertEqual([.2f, .3f], f.Mins);
        AssertEqual([.5f, 2 / 3f], f.Values);
    });

    [TestMethod]
    public void EachClassIsANonDecreasingFunction() => ScoredRows.Random.Sample(rows =>
    {
        var calibrator = (OneVersusRestIsotonicCalibrator)Fit("Isotonic", rows);
        Assert.HasCount(rows.Classes, calibrator.PerClass);
        foreach (IsotonicCalibrator f in calibrator.PerClass)
        {
            float last = 0;
            for (int i = 0; i <= 200; i++)
            {
                float value = f.PredictProbability(i / 200f);
                Assert.IsTrue(value >= last && value <= 1);
                last = value;
            }
        }
    }, iter: 60);

    [TestMethod]
    public void TheOrderOfRowsDoesNotChangeABit() => ScoredRows.Random.Sample(rows =>
    {
        int[] order = [.. Enumerable.Range(0, rows.Count)];
        new Random(rows.Count).Shuffle(order);
        var first = (OneVersusRestIsotonicCalibrator)Fit("Isotonic", rows);
        var second = (OneVersusRestIsotonicCalibrator)Fit("Isotonic", rows.Reordered(order));
        for (int k = 0; k < rows.Classes; k++)
            CollectionAssert.AreEqual(first.PerClass[k].Values, second.PerClass[k].Values);
    }, iter: 30);

    /// <summary>f gives (½, ½, 0) and is renormalised; a tenth of the model, at T = 1, is mixed in.</summary>
    [TestMethod]
    public void ApplyByHand()
    {
        float[] row = [.2f, .2f, .6f];
        new OneVersusRestIsotonicCalibrator([Constant(.3f), Constant(.3f), Constant(0)], temperature: 1, modelWeight: .1)
            .Calibrate(row, row);
        Assert.AreEqual(.9f * .5f + .1f * .2f, row[0], 1e-6f);
        Assert.AreEqual(.1f * .6f, row[2], 1e-6f);
    }

    /// <summary>A temperature of 1 leaves zeros; the term that keeps p' above 0 does not.</summary>
    [TestMethod]
    [DataRow(0)]
    [DataRow(.5f)]
    public void NoClassGetsZeroWhereTheModelSaysZero(float certain)
    {
        float[] row = [1, 0, 0];
        var calibrator = new OneVersusRestIsotonicCalibrator(
            [Constant(certain), Constant(0), Constant(0)], temperature: 1, modelWeight: .1);
        calibrator.Calibrate(row, row);
        double least = Math.ScaleB(1, -22) / 3 * (certain > 0 ? .1 : 1);
        Assert.AreEqual(least, row[1], 1e-3 * least);
        Assert.AreEqual(row[1], row[2]);
        Assert.AreEqual(1, row.Sum(), 1e-6);

        float[] unchanged = [1, 0, 0];
        calibrator.Unchanged().Calibrate(unchanged, unchanged);
        CollectionAssert.AreEqual(new[] { 1f, 0, 0 }, unchanged);
    }

    /// <summary>The model, and what the calibrator makes of it, are judged by the loss that is fitted: of a certain and wrong row 16 nats,
    /// not 34.5.</summary>
    [TestMethod]
    public void ACalibratorIsJudgedByTheLossThatItIsFittedBy()
    {
        CalibrationRows rows = ScoredRows.Of(2, (1, [1, 0]), (0, [.8f, .2f])).ForFit();
        double floored = (Math.Log(2) * 23 - Math.Log(.8)) / 2;
        Assert.AreEqual(floored, rows.LogLossAsFitted(), 1e-6);
        Assert.AreEqual((-Math.Log(1e-15) - Math.Log(.8)) / 2, rows.LogLoss(new TemperatureCalibrator(2, 1)), 1e-6);
    }

    [TestMethod]
    public void ARowWhoseClassesAllBecomeZeroGetsTheTemperatureScaledModel()
    {
        float[] row = [.8f, .2f];
        new OneVersusRestIsotonicCalibrator([Constant(0), Constant(0)], temperature: 2, modelWeight: .1).Calibrate(row, row);
        Assert.AreEqual(2 / 3f, row[0], 1e-6f);
        Assert.AreEqual(1 / 3f, row[1], 1e-6f);
    }

    [TestMethod]
    public void TheWeightOfTheModelIsTheBestAndAtLeastThatOfOneRow() => ScoredRows.Random.Sample(rows =>
    {
        var calibrator = (OneVersusRestIsotonicCalibrator)Fit("Isotonic", rows);
        if (calibrator is { ModelWeight: 1, Temperature: 1 })
            return;     // nothing better was found
        double fitted = rows.LogLoss(calibrator), least = 1.0 / (rows.Count + 1);
        Assert.IsGreaterThanOrEqualTo(least, calibrator.ModelWeight);
        foreach (double weight in new[] { least, .3, .6, 1 }.Where(weight => weight >= least))
        {
            var other = new OneVersusRestIsotonicCalibrator([.. calibrator.PerClass], calibrator.Temperature, weight);
            Assert.IsLessThanOrEqualTo(rows.LogLoss(other) + 1e-6, fitted);
        }
    }, iter: 60);

    [TestMethod]
    public void MoreThanAMillionRowsAreAllCounted()
    {
        const int Rows = 1_100_000;
        float[] scores = new float[Rows];
        bool[] isClass = new bool[Rows];
        for (int row = 0; row < Rows; row++)
            (scores[row], isClass[row]) = (row / (float)Rows, row >= Rows / 2);     // 1.1 million distinct scores
        scores[0] = 1;
        IsotonicCalibrator f = Pav(scores, isClass);
        Assert.AreEqual(1 - 1 / (float)(Rows / 2 + 1), f.Values[^1], 1e-6f);
    }

    private static IsotonicCalibrator Constant(float value) => new((IHostEnvironment)Context, [0], [1], [value]);

    private static IsotonicCalibrator Pav(params (float Score, bool IsClass)[] rows) =>
        Pav([.. rows.Select(row => row.Score)], [.. rows.Select(row => row.IsClass)]);

    private static IsotonicCalibrator Pav(float[] scores, bool[] isClass)
    {
        IHost host = ((IHostEnvironment)Context).Register("Test");
        using IChannel channel = host.Start("Test");
        return PairAdjacentViolators.Fit(host, channel, scores, isClass);
    }

    private static void AssertEqual(float[] expected, IEnumerable<float> actual)
    {
        Assert.AreEqual(expected.Length, actual.Count());
        foreach ((float e, float a) in expected.Zip(actual))
            Assert.AreEqual(e, a, 1e-6f);
    }
}
