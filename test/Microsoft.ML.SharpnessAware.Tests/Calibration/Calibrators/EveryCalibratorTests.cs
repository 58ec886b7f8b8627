using CsCheck;
using Microsoft.ML.Runtime;
using static Microsoft.ML.SharpnessAware.Tests.Calibration.CalibratorFits;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>What every calibrator promises of its fit, whatever the rows.</summary>
[TestClass]
public sealed class EveryCalibratorTests
{
    [TestMethod]
    [EachCalibrator]
    public void LogLossOnTheFittingRowsIsNeverWorse(string kind) => ScoredRows.Random.Sample(rows =>
    {
        MulticlassCalibrator calibrator = Fit(kind, rows);
        Assert.IsLessThanOrEqualTo(rows.LogLoss() + 1e-12, rows.LogLoss(calibrator));
        AssertFiniteProbabilities(rows, calibrator);
    }, iter: 60);

    [TestMethod]
    [DataRow("Vector")]
    [DataRow("Dirichlet")]
    [DataRow("StructuredMatrix")]
    public void LogLossOnTheFittingRowsIsNotWorseThanThatOfTheTemperature(string kind) => ScoredRows.Random.Sample(rows =>
        Assert.IsLessThanOrEqualTo(rows.LogLoss(Fit("Temperature", rows)) + 1e-6, rows.LogLoss(Fit(kind, rows))), iter: 60);

    [TestMethod]
    [EachCalibrator]
    public void OrderOfRowsDoesNotMatter(string kind)
    {
        ScoredRows rows = ScoredRows.Confused(150);
        int[] order = [.. Enumerable.Range(0, rows.Count)];
        new Random(4).Shuffle(order);
        AssertClose(Parameters(Fit(kind, rows)), Parameters(Fit(kind, rows.Reordered(order))), 1e-4);
    }

    [TestMethod]
    [EachCalibrator]
    public void OrderOfClassesPermutesTheParameters(string kind)
    {
        ScoredRows rows = ScoredRows.Confused(150);
        int[] order = [2, 0, 1];
        MulticlassCalibrator calibrator = Fit(kind, rows), reordered = Fit(kind, rows.WithClassesReordered(order));
        switch (calibrator, reordered)
        {
            case (TemperatureCalibrator a, TemperatureCalibrator b):
                Assert.AreEqual(a.Temperature, b.Temperature, 1e-9);
                break;
            case (VectorCalibrator a, VectorCalibrator b):
                AssertClose(order.Select(k => a.Scale[k]), b.Scale, 1e-4);
                AssertClose(order.Select(k => a.Bias[k]), b.Bias, 1e-4);
                break;
            case (DirichletCalibrator a, DirichletCalibrator b):
                AssertClose(order.SelectMany(i => order.Select(j => a.Weights[i][j])), b.Weights.SelectMany(row => row), 1e-3);
                AssertClose(order.Select(k => a.Bias[k]), b.Bias, 1e-3);
                break;
            case (OneVersusRestIsotonicCalibrator a, OneVersusRestIsotonicCalibrator b):
                for (int k = 0; k < 3; k++)
                    CollectionAssert.AreEqual(a.PerClass[order[k]].Values, b.PerClass[k].Values);
                break;
        }

        for (int row = 0; row < rows.Count; row++)
        {
            float[] expected = rows.After(calibrator)[row], actual = rows.WithClassesReordered(order).After(reordered)[row];
            for (int k = 0; k < 3; k++)
                Assert.AreEqual(expected[order[k]], actual[k], 1e-4f);
        }
    }

    [TestMethod]
    [EachCalibrator]
    public void ASecondFitGivesTheSameBits(string kind)
    {
        ScoredRows rows = ScoredRows.Confused(150);
        CollectionAssert.AreEqual(Parameters(Fit(kind, rows)), Parameters(Fit(kind, rows)));
    }

    [TestMethod]
    [EachCalibrator]
    public void CalibrationHelpsOnRowsThatItHasNotSeen(string kind)
    {
        MulticlassCalibrator calibrator = Fit(kind, ScoredRows.Confused(2000));
        ScoredRows others = ScoredRows.Drawn(2000, new[,] { { .5, .1, 0 }, { 0, .7, -.2 }, { .1, 0, .9 } }, [.3, 0, -.3], seed: 2);
        Assert.IsLessThan(others.LogLoss() - 0.02, others.LogLoss(calibrator));
    }

    /// <summary>The labels alone would ask for certainty; n rows cannot support more than about 1 − 1/n.</summary>
    [TestMethod]
    [EachCalibrator]
    public void WhereEveryRowIsRightConfidenceRisesButNotToOne(string kind)
    {
        ScoredRows rows = ScoredRows.Of(3, [.. Enumerable.Range(0, 30).Select(i => (i % 3, Favouring(i % 3, .5f + .005f * i)))]);
        MulticlassCalibrator calibrator = Fit(kind, rows);
        float[][] after = rows.After(calibrator);
        Assert.IsLessThan(rows.LogLoss() - 0.1, rows.LogLoss(calibrator));
        for (int row = 0; row < rows.Count; row++)
            Assert.IsTrue(after[row].Max() is > 0.6f and < 0.999f, $"{after[row].Max()}");
    }

    [TestMethod]
    [EachCalibrator]
    public void AClassThatNeverOccursStaysPossible(string kind)
    {
        ScoredRows rows = ScoredRows.Of(3, [.. Enumerable.Range(0, 40).Select(i => (i % 2, Favouring(i % 3, .6f)))]);
        MulticlassCalibrator calibrator = Fit(kind, rows);
        AssertFiniteProbabilities(rows, calibrator);
        Assert.IsLessThan(rows.LogLoss(), rows.LogLoss(calibrator));
        foreach (float[] row in rows.After(calibrator))
            Assert.IsGreaterThan(1e-4f, row[2]);
    }

    [TestMethod]
    [EachCalibrator]
    public void LabelsOfOneClassOnly(string kind)
    {
        ScoredRows rows = ScoredRows.Of(3, [.. Enumerable.Range(0, 20).Select(i => (1, Favouring(i % 3, .4f + .02f * i)))]);
        MulticlassCalibrator calibrator = Fit(kind, rows);
        AssertFiniteProbabilities(rows, calibrator);
        Assert.IsLessThanOrEqualTo(rows.LogLoss(), rows.LogLoss(calibrator));
        foreach (float[] row in rows.After(calibrator))
            Assert.IsTrue(row.Min() > 1e-5f, string.Join(' ', row));
    }

    [TestMethod]
    [EachCalibrator]
    public void ProbabilitiesOfExactlyZeroAndOne(string kind)
    {
        // Of a hundred certain rows of each class ten are wrong.
        ScoredRows rows = ScoredRows.Of(2, [.. Enumerable.Range(0, 200).Select(i =>
            (i < 20 ? 1 - i % 2 : i % 2, (float[])(i % 2 == 0 ? [1, 0] : [0, 1])))]);
        MulticlassCalibrator calibrator = Fit(kind, rows);
        Assert.IsLessThan(0.4, rows.LogLoss(calibrator));
        Assert.AreEqual(0.9f, rows.After(calibrator)[0].Max(), 0.03f);

        // All right: there is nothing to gain, and nothing may be lost.
        ScoredRows perfect = ScoredRows.Of(2, (0, [1, 0]), (1, [0, 1]), (1, [0, 1]));
        Assert.AreEqual(0.0, perfect.LogLoss(Fit(kind, perfect)));
    }

    [TestMethod]
    [EachCalibrator]
    public void OneRowAndEqualProbabilities(string kind)
    {
        foreach (ScoredRows rows in new[] { ScoredRows.Of(2, (1, [.7f, .3f])), ScoredRows.Of(4, (2, [.25f, .25f, .25f, .25f])) })
        {
            MulticlassCalibrator calibrator = Fit(kind, rows);
            AssertFiniteProbabilities(rows, calibrator);
            Assert.IsLessThanOrEqualTo(rows.LogLoss(), rows.LogLoss(calibrator));
        }
    }

    [TestMethod]
    [DataRow("Temperature")]
    [DataRow("Vector")]
    [DataRow("Isotonic")]
    public void OneThousandClasses(string kind)
    {
        const int Classes = 1000, Rows = 60;
        var random = new Random(6);
        var rows = ScoredRows.Of(Classes, [.. Enumerable.Range(0, Rows).Select(_ =>
        {
            double[] p = ScoredRows.Softmax([.. Enumerable.Range(0, Classes).Select(_ => 12 * random.NextDouble())]);
            return (random.Next(Classes), Array.ConvertAll(p, value => (float)value));
        })]);
        MulticlassCalibrator calibrator = Fit(kind, rows);
        Assert.IsLessThan(rows.LogLoss(), rows.LogLoss(calibrator));
        AssertFiniteProbabilities(rows, calibrator);
    }

    [TestMethod]
    public void CalibrateChecksItsArguments()
    {
        MulticlassCalibrator calibrator = Fit("Vector", ScoredRows.Confused(20));
        Assert.AreEqual(3, calibrator.NumberOfClasses);
        float[] row = [.2f, .3f, .5f];
        calibrator.Calibrate(row, row);
        Assert.AreEqual(1, row.Sum(), 1e-6);
        Assert.AreEqual("probabilities", Assert.ThrowsExactly<ArgumentException>(() => calibrator.Calibrate([.5f, .5f], new float[3]))
            .ParamName);
        Assert.AreEqual("destination", Assert.ThrowsExactly<ArgumentException>(() => calibrator.Calibrate(row, new float[2])).ParamName);
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => calibrator.Calibrate([.5f, -.5f, 1], row)).Message,
                "it has the negative score -0.5");
    }

    [TestMethod]
    public void AFitThatIsWorseThanNoneIsNotUsed()
    {
        ScoredRows rows = ScoredRows.Of(2, (0, [.9f, .1f]), (1, [.2f, .8f]));
        foreach (MulticlassCalibrator worse in new MulticlassCalibrator[]
        {
            new TemperatureCalibrator(2, 100), new VectorCalibrator([1, 1], [-9, 9]), new DirichletCalibrator([0, 1, 1, 0], [0, 0]),
            new OneVersusRestIsotonicCalibrator([Flat(), Flat()], temperature: 2, modelWeight: .5),
        })
        {
            Assert.IsGreaterThan(rows.LogLoss(), rows.LogLoss(worse));
            MulticlassCalibrator used = new FixedEstimator(worse).Fit(rows.View(Context)).Calibrator;
            Assert.AreEqual(worse.GetType(), used.GetType());
            CollectionAssert.AreEqual(rows.Scores, rows.After(used).SelectMany(row => row).ToArray());
        }

        static Microsoft.ML.Calibrators.IsotonicCalibrator Flat() => new((IHostEnvironment)Context, [0], [1], [.5f]);
    }

    private sealed class FixedEstimator(MulticlassCalibrator calibrator)
        : MulticlassCalibratorEstimator((IHostEnvironment)Context, "Label", new("Score", "PredictedLabel", ScoreKind.Probabilities))
    {
        private protected override MulticlassCalibrator Fit(CalibrationRows rows, IHost host, IChannel channel) => calibrator;
    }

    private static float[] Favouring(int k, float confidence)
    {
        float[] row = [(1 - confidence) / 2, (1 - confidence) / 2, (1 - confidence) / 2];
        row[k] = confidence;
        return row;
    }

    private static void AssertFiniteProbabilities(ScoredRows rows, MulticlassCalibrator calibrator)
    {
        Assert.IsTrue(Parameters(calibrator).All(double.IsFinite));
        foreach (float[] row in rows.After(calibrator))
            Assert.IsNull(ProbabilityRow.Problem(row));
    }
}
