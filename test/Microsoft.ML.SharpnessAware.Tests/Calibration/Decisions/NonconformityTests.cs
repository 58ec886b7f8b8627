namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class NonconformityTests
{
    private static readonly float[] Row = [.5f, .3f, .2f];

    [TestMethod]
    public void ScoresByHand()
    {
        Assert.AreEqual(.7, Of(PredictionSetScore.LeastAmbiguous, 1).Score, 1e-7);
        for (int seed = 0; seed < 50; seed++)
        {
            var kind = new Nonconformity(PredictionSetScore.Adaptive, seed);
            (double first, int rank) = kind.Of(Row, 0);
            double uniform = 1 - first / .5;
            Assert.AreEqual(1, rank);
            Assert.IsTrue(uniform is >= 0 and < 1);
            Assert.AreEqual(2, kind.Of(Row, 1).Rank);
            Assert.AreEqual(.8 - uniform * .3, kind.Of(Row, 1).Score, 1e-6);
            Assert.AreEqual(1 - uniform * .2, kind.Of(Row, 2).Score, 1e-6);
        }

        var regularised = new Nonconformity(PredictionSetScore.RegularizedAdaptive, 0, Penalty: .1, FreeRanks: 1);
        Assert.AreEqual(.4 + .2, regularised.Penalised(.4, 3), 1e-12);
        Assert.AreEqual(.4, regularised.Penalised(.4, 1), 1e-12);
        Assert.AreEqual(.4, (regularised with { FreeRanks = 3 }).Penalised(.4, 1), 1e-12, "no reward below the free ranks");

        static (double Score, int Rank) Of(PredictionSetScore score, int label) => new Nonconformity(score, 0).Of(Row, label);
    }

    [TestMethod]
    public void TheRandomShareIsUniformAndTheSameForTheSameRow()
    {
        var kind = new Nonconformity(PredictionSetScore.Adaptive, 3);
        var random = new Random(1);
        double[] shares = [.. Enumerable.Range(0, 4000).Select(_ =>
        {
            float other = .5f * MathF.Exp(-10 * random.NextSingle());
            float[] row = [1 - other, other];
            Assert.AreEqual(kind.Of(row, 0), kind.Of(row, 0));
            return 1 - kind.Of(row, 0).Score / row[0];
        }).Order()];
        int draws = shares.Select(share => Math.Round(share, 6)).Distinct().Count();     // rows that are nearly the same share one
        Assert.IsInRange(600, 1000, draws);
        for (int i = 0; i < shares.Length; i++)     // Kolmogorov and Smirnov at 1 in 10,000
            Assert.AreEqual((i + .5) / shares.Length, shares[i], 2.23 / Math.Sqrt(draws));
        Assert.AreNotEqual(kind.Of(Row, 0), (kind with { Seed = 4 }).Of(Row, 0));
    }

    /// <summary>A set is what the scores say, class by class, in the order of the probabilities, whatever the threshold and the number of
    /// classes.</summary>
    [TestMethod]
    [DataRow(3)]
    [DataRow(40)]
    [DataRow(300)]
    public void SetsHoldTheClassesWhoseScoreIsLowEnough(int classes)
    {
        var random = new Random(classes);
        foreach (PredictionSetScore score in Enum.GetValues<PredictionSetScore>())
        {
            var kind = new Nonconformity(score, 1, Penalty: score == PredictionSetScore.RegularizedAdaptive ? .01 : 0, FreeRanks: 2);
            for (int i = 0; i < 20; i++)
            {
                double[] p = ScoredRows.Softmax([.. Enumerable.Range(0, classes)
                    .Select(_ => Math.Round(6 * random.NextDouble(), i % 2 == 0 ? 0 : 6))]);
                float[] row = [.. p.Select(value => (float)value)];
                row[0] = i < 15 ? row[0] : 0;
                double[] thresholds = (i % 5) switch
                {
                    0 => [random.NextDouble()],
                    1 => [1.0 - row[random.Next(classes)]],     // one that is a score
                    2 => [i < 10 ? 0 : 1],
                    3 => [.. row.Select(_ => random.NextDouble())],
                    _ => [.. row.Select(p => 1.0 - p)],
                };
                int[] set = new int[classes];
                int count = kind.Fill(row, thresholds, set, new RankedClasses(classes));
                int[] expected = [.. Enumerable.Range(0, classes).Where(k =>
                {
                    (double s, int rank) = kind.Of(row, k);
                    return kind.Penalised(s, rank) <= thresholds[thresholds.Length == 1 ? 0 : k] + 1e-12;
                }).OrderByDescending(k => row[k]).ThenBy(k => k)];
                CollectionAssert.AreEqual(expected, set[..count]);
            }

            int[] all = new int[classes];
            Assert.AreEqual(classes, kind.Fill([.. Enumerable.Repeat(1f / classes, classes)], [double.PositiveInfinity], all,
                new RankedClasses(classes)));
        }
    }

    [TestMethod]
    public void TheThresholdByHand()
    {
        double[] scores = [.9, .1, .5, .3, .7, .2, .4, .6, .8];
        Assert.AreEqual(.8, ConformalThreshold.Of([.. scores], .8));       // the 8th of 9
        Assert.AreEqual(.9, ConformalThreshold.Of([.. scores], .9));       // the 9th of 9
        Assert.AreEqual(double.PositiveInfinity, ConformalThreshold.Of([.. scores], .91));
        // 100 · .55 is 55.00000000000001 in doubles, and still the 55th.
        Assert.AreEqual(55.0, ConformalThreshold.Of([.. Enumerable.Range(1, 99).Select(i => (double)i)], .55));
        Assert.AreEqual(9, ConformalThreshold.RowsNeeded(.9));
        Assert.AreEqual(19, ConformalThreshold.RowsNeeded(.95));
        Assert.AreEqual(99, ConformalThreshold.RowsNeeded(.99));
    }

    /// <summary>Near 1 the last bits of coverage / (1 − coverage) are a row off.</summary>
    [TestMethod]
    [DataRow(.9999, 9_999)]
    [DataRow(.99995, 19_999)]
    [DataRow(.999, 999)]
    [DataRow(.5, 1)]
    [DataRow(.3, 1)]
    [DataRow(.75, 3)]
    public void TheRowsNeededAreTheFewestOfAFiniteThreshold(double coverage, int rows)
    {
        Assert.AreEqual(rows, ConformalThreshold.RowsNeeded(coverage));
        Assert.IsTrue(double.IsFinite(ConformalThreshold.Of(new double[rows], coverage)));
        Assert.IsTrue(double.IsPositiveInfinity(ConformalThreshold.Of(new double[rows - 1], coverage)));
    }

    [TestMethod]
    public void AtEveryCoverageTheRowsNeededAreTheFewest()
    {
        for (int i = 1; i < 20_000; i++)
        {
            double coverage = 1 - Math.Pow(i / 20_000.0, 2);
            int rows = ConformalThreshold.RowsNeeded(coverage);
            Assert.IsLessThanOrEqualTo(rows, ConformalThreshold.Rank(rows, coverage), $"{coverage}");
            Assert.IsTrue(rows == 0 || ConformalThreshold.Rank(rows - 1, coverage) > rows - 1, $"{coverage}");
        }

        Assert.AreEqual(int.MaxValue, ConformalThreshold.RowsNeeded(Math.BitDecrement(1.0)));
    }
}
