using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>How the two numbers of the regularised score are tuned, and on which rows.</summary>
[TestClass]
public sealed class PredictionSetFitTests
{
    private static readonly float[] Row = [.8f, .15f, .05f];

    /// <summary>However classes take turns, about a fifth of each is tuned on.</summary>
    [TestMethod]
    public void RowsThatAreTunedOnAreOfAllClasses()
    {
        const int Rows = 30_000;
        for (int classes = 1; classes <= 30; classes++)
        {
            foreach (IGrouping<int, int> rows in Enumerable.Range(0, Rows).GroupBy(row => row % classes))
                Assert.AreEqual(0.2, rows.Count(PredictionSetFit.IsTunedOn) / (double)rows.Count(), 5 * Math.Sqrt(.16 * classes / Rows));
        }
    }

    /// <summary>Only the rows that are tuned on are wrong here: the threshold knows nothing of them.</summary>
    [TestMethod]
    public void RowsThatAreTunedOnGiveNoThreshold()
    {
        (_, double[] thresholds) = Fit(coverage: .9, rows: 200, i => PredictionSetFit.IsTunedOn(i) ? 2 : 0);
        Assert.IsLessThanOrEqualTo(.8 + 1e-6, thresholds[0]);
        (_, thresholds) = Fit(coverage: .9, rows: 99, i => PredictionSetFit.IsTunedOn(i) ? 2 : 0);
        Assert.IsGreaterThan(.9, thresholds[0], "too few to spare a fifth");
    }

    /// <summary>More rows never promise less: where a fifth cannot be spared, all of them give the threshold.</summary>
    [TestMethod]
    [DataRow(.9, 9)]
    [DataRow(.99, 99)]
    [DataRow(.995, 199)]
    public void WhereAFifthCannotBeSparedNoneIsTunedOn(double coverage, int needed)
    {
        Assert.AreEqual(needed, ConformalThreshold.RowsNeeded(coverage));
        for (int rows = needed; rows < 1.6 * needed; rows++)
            Assert.IsTrue(double.IsFinite(Fit(coverage, rows, _ => 0).Thresholds[0]), $"{rows} rows");
        Assert.IsTrue(double.IsPositiveInfinity(Fit(coverage, needed - 1, _ => 0).Thresholds[0]));
    }

    /// <summary>With so few that every penalty has an infinite threshold, all sets are equally large, and the first penalty is
    /// none.</summary>
    [TestMethod]
    [DataRow(.99, 99)]
    [DataRow(.99, 150)]
    [DataRow(.99, 400)]
    [DataRow(.95, 60)]
    [DataRow(.9995, 12_000)]
    public void WhereTheRowsTunedOnSayNothingTheScoreIsStillRegularized(double coverage, int rows)
    {
        PredictionSetFit fit = New(coverage);
        for (int i = 0; i < rows; i++)
            fit.Add(Row, PredictionSetFit.IsTunedOn(i) ? 2 : 0);
        (Nonconformity kind, double[] thresholds) = fit.Finish(["a", "b", "c"], Silent());
        Assert.AreEqual((.01, 5), (kind.Penalty, kind.FreeRanks));
        Assert.AreEqual(rows, fit.Count, "all rows give the threshold");
        Assert.IsTrue(thresholds[0] is > .9 and < 1.1);
    }

    /// <summary>Not the rows that the penalty was tuned on, and none twice.</summary>
    [TestMethod]
    [DataRow(50)]
    [DataRow(99)]
    [DataRow(400)]
    [DataRow(20_000)]
    public void TheRowsOfTheFitAreThoseOfItsThresholds(int rows)
    {
        int tuned = rows < 100 ? 0 : Math.Min(1000, Enumerable.Range(0, rows).Count(PredictionSetFit.IsTunedOn));
        var mlContext = new MLContext(1);
        IDataView data = ScoredRows.Confused(rows).View(mlContext);
        PredictionSetTransformer sets = mlContext.MulticlassClassification.Decisions
            .PredictionSets(.9, PredictionSetScore.RegularizedAdaptive).Fit(data);
        Assert.AreEqual(rows - tuned, sets.FittedRows);
        Assert.AreEqual(rows, mlContext.MulticlassClassification.Decisions.PredictionSets(.9).Fit(data).FittedRows);
    }

    /// <summary>The label is the most probable class in the first half and the third in the second.</summary>
    [TestMethod]
    public void WhereRowsAreSortedThoseTunedOnAreOfAllOfThem()
    {
        const int Rows = 40_000;
        Assert.AreEqual(3, Fit(.9, Rows, i => i < Rows / 2 ? 0 : 2).Kind.FreeRanks);
        Assert.AreEqual(3, Fit(.9, Rows, i => i < Rows / 2 ? 2 : 0).Kind.FreeRanks);
    }

    /// <summary>Classes 0 and 1 are hard and come first, as in a folder of pictures.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void ThePromiseHoldsWhereRowsComeClassByClass(bool isSorted)
    {
        const int Draws = 40, Rows = 10_000, Later = 4000, Classes = 4;
        const double Coverage = .9;
        double sum = 0;
        for (int draw = 0; draw < Draws; draw++)
        {
            var random = new Random(draw);
            var kindAsked = new Nonconformity(PredictionSetScore.RegularizedAdaptive, 1);
            var fit = new PredictionSetFit(kindAsked, Coverage, Classes, perClass: false);
            (float[] Row, int Label)[] rows = [.. Enumerable.Range(0, Rows).Select(_ => HardOrEasy(random))];
            foreach ((float[] row, int label) in isSorted ? rows.OrderBy(row => row.Label) : rows.AsEnumerable())
                fit.Add(row, label);
            (Nonconformity kind, double[] thresholds) = fit.Finish(["a", "b", "c", "d"], Silent());
            Assert.AreEqual(Rows - 1000, fit.Count);
            int[] set = new int[Classes];
            var ranked = new RankedClasses(Classes);
            for (int later = 0; later < Later; later++)
            {
                (float[] row, int label) = HardOrEasy(random);
                sum += set.AsSpan(0, kind.Fill(row, thresholds, set, ranked)).Contains(label) ? 1 : 0;
            }
        }

        // Of the rows of a fit and of those that are measured, five standard deviations.
        double chance = 5 * Math.Sqrt(.09 / Draws * (1.0 / (Rows - 1000) + 1.0 / Later));
        Assert.AreEqual(Coverage, sum / (Draws * Later), chance);
    }

    /// <summary>A row of class 0 or 1, of which the model is often wrong, or of 2 or 3, of which it is not.</summary>
    private static (float[] Row, int Label) HardOrEasy(Random random)
    {
        int label = random.Next(4);
        double[] logits = [.. Enumerable.Range(0, 4).Select(_ => random.NextDouble())];
        logits[random.NextDouble() < (label < 2 ? .3 : .98) ? label : random.Next(4)] += 3;
        return ([.. ScoredRows.Softmax(logits).Select(p => (float)p)], label);
    }

    /// <summary>Class 2 has just as many rows as a threshold of its own takes: none of them can be spared.</summary>
    [TestMethod]
    public void WhereAClassCannotSpareARowNoneIsTunedOn()
    {
        const int Needed = 9;
        var fit = new PredictionSetFit(new Nonconformity(PredictionSetScore.RegularizedAdaptive, 7), .9, 3, perClass: true);
        int rows = 0;
        for (; rows < 600; rows++)
            fit.Add(Row, rows < 4 * Needed ? rows % 4 == 0 ? 2 : 1 : rows % 2);
        double[] thresholds = fit.Finish(["a", "b", "c"], Silent()).Thresholds;
        Assert.AreEqual(rows, fit.Count);
        Assert.HasCount(3, thresholds.Distinct());
    }

    /// <summary>Of the rows that are tuned on half have the most probable class and half the third.</summary>
    [TestMethod]
    [DataRow(.9, 3)]
    [DataRow(.6, 3)]
    [DataRow(.5, 1)]
    [DataRow(.2, 1)]
    public void TheFreeRanksHoldTheShareAsked(double coverage, int freeRanks)
    {
        int[] tuned = [.. Enumerable.Range(0, 400).Where(PredictionSetFit.IsTunedOn)];
        (Nonconformity kind, _) = Fit(coverage, rows: 400, i => Array.IndexOf(tuned, i) % 2 == 1 ? 2 : 0);
        Assert.AreEqual(freeRanks, kind.FreeRanks);
    }

    /// <summary>Of the penalties tried, by the rows that are tuned on.</summary>
    [TestMethod]
    public void ThePenaltyIsTheOneOfTheSmallestSets()
    {
        const int Classes = 12;
        const double Coverage = .8;
        var random = new Random(1);
        var fit = new PredictionSetFit(new Nonconformity(PredictionSetScore.RegularizedAdaptive, 1), Coverage, Classes, perClass: false);
        List<(float[] Row, int Label)> tuned = [];
        for (int i = 0; i < 1500; i++)
        {
            double[] p = ScoredRows.Softmax([.. Enumerable.Range(0, Classes).Select(_ => (i % 3 + 1) * 1.5 * random.NextDouble())]);
            int label = 0;
            for (double left = random.NextDouble(); label < Classes - 1 && (left -= p[label]) > 0;)
                label++;
            float[] row = [.. p.Select(value => (float)value)];
            fit.Add(row, label);
            if (PredictionSetFit.IsTunedOn(i))
                tuned.Add((row, label));
        }

        (Nonconformity kind, _) = fit.Finish([.. Enumerable.Range(0, Classes).Select(k => $"{k}")], Silent());
        Dictionary<double, int> sizes = new[] { 0, .001, .01, .05, .1, .2, .5 }.ToDictionary(penalty => penalty, penalty =>
        {
            Nonconformity candidate = kind with { Penalty = penalty };
            double[] threshold = [ConformalThreshold.Of([.. tuned.Select(one =>
            {
                (double score, int rank) = candidate.Of(one.Row, one.Label);
                return candidate.Penalised(score, rank);
            })], Coverage)];
            return tuned.Sum(one => candidate.Fill(one.Row, threshold, new int[Classes], new RankedClasses(Classes)));
        });
        Assert.AreEqual(sizes.Values.Min(), sizes[kind.Penalty]);
        Assert.IsLessThan(sizes.Values.Max(), sizes.Values.Min());
    }

    /// <summary>The kind of score is saved with its seed: sets must be the same when they are loaded by a later version.</summary>
    [TestMethod]
    public void TheDrawOfARowIsTheSameInEveryVersion()
    {
        float[] nine = [.25f, .2f, .15f, .1f, .1f, .08f, .06f, .04f, .02f];
        var earlier = new Nonconformity(PredictionSetScore.Adaptive, 3) { DrawsByAllBits = true };
        Assert.AreEqual(0.4661008160953, Draw(earlier, Row), 1e-12);
        Assert.AreEqual(0.2429005850820, Draw(earlier, nine), 1e-12);
        var today = new Nonconformity(PredictionSetScore.Adaptive, 3);
        Assert.AreEqual(0.4709535812650, Draw(today, Row), 1e-12);
        Assert.AreEqual(0.5396813571628, Draw(today, nine), 1e-12);
    }

    /// <summary>A network's last digits depend on how many rows it is given at a time.</summary>
    [TestMethod]
    [DataRow(2)]
    [DataRow(3)]
    [DataRow(10)]
    [DataRow(1000)]
    public void TheLastDigitsOfScoresDoNotDecideTheDraw(int classes)
    {
        const int Rows = 2000;
        var kind = new Nonconformity(PredictionSetScore.Adaptive, 1);
        var random = new Random(1);
        int others = 0;
        var draws = new List<double>();
        for (int i = 0; i < Rows; i++)
        {
            double[] logits = [.. Enumerable.Range(0, classes).Select(_ => -5 * Math.Log(random.NextDouble()))];
            double draw = Draw(kind, Softmax(logits));
            draws.Add(draw);
            if (Math.Abs(draw - Draw(kind, Softmax([.. logits.Select(z => z + (1e-6 * (random.NextDouble() - .5)))]))) > 1e-9)
                others++;
        }

        Assert.IsLessThan(Rows / 100, others);
        Assert.AreEqual(.5, draws.Average(), .05);
        Assert.AreEqual(1 / 12.0, draws.Sum(u => (u - .5) * (u - .5)) / Rows, .01);

        static float[] Softmax(double[] logits)
        {
            double sum = logits.Sum(Math.Exp);
            return [.. logits.Select(z => (float)(Math.Exp(z) / sum))];
        }
    }

    private static double Draw(Nonconformity kind, float[] row)
    {
        int top = Array.IndexOf(row, row.Max());
        return 1 - (kind.Of(row, top).Score / row[top]);
    }

    private static (Nonconformity Kind, double[] Thresholds) Fit(double coverage, int rows, Func<int, int> label)
    {
        PredictionSetFit fit = New(coverage);
        for (int i = 0; i < rows; i++)
            fit.Add(Row, label(i));
        return fit.Finish(["a", "b", "c"], Silent());
    }

    private static PredictionSetFit New(double coverage) =>
        new(new Nonconformity(PredictionSetScore.RegularizedAdaptive, 7), coverage, 3, perClass: false);

    private static IChannel Silent() => ((IChannelProvider)new MLContext(1)).Start("Test");
}
