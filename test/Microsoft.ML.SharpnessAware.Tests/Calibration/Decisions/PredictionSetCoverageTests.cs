using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>The promise of prediction sets, over a thousand draws of the rows they are fitted on and of one row to come.</summary>
[TestClass]
public sealed class PredictionSetCoverageTests
{
    private const double Doubt = 1e-4;      // how unlikely a count must be to fail the test
    private const int Splits = 1000;

    /// <summary>Between 1 − α and 1 − α + 1/(n + 1) for continuous scores; with ties only the lower limit holds.</summary>
    [TestMethod]
    [DataRow("calibrated", 10, 50, 0.9)]
    [DataRow("calibrated", 2, 20, 0.8)]
    [DataRow("calibrated", 1000, 12, 0.9)]
    [DataRow("overconfident", 10, 99, 0.95)]
    [DataRow("useless", 5, 40, 0.7)]
    [DataRow("ties", 4, 30, 0.9)]
    [DataRow("calibrated", 10, 8, 0.9)]         // too few to promise anything: all classes
    [DataRow("overconfident", 3, 500, 0.99)]
    public void CoverageIsWhatTheorySays(string model, int classes, int rows, double coverage)
    {
        foreach (PredictionSetScore score in Enum.GetValues<PredictionSetScore>())
        {
            // The regularised score is tuned on a fifth, which gives no threshold.
            var random = new Random(classes + rows);
            int covered = 0, splits = rows >= 500 || classes >= 1000 ? Splits / 4 : Splits, ofThreshold = rows;
            int[] set = new int[classes];
            for (int split = 0; split < splits; split++)
            {
                (Nonconformity kind, double[] thresholds, ofThreshold) = Fit(Draw, score, coverage, perClass: false, rows, classes);
                (float[] row, int label) = Draw();
                covered += set[..kind.Fill(row, thresholds, set, new RankedClasses(classes))].Contains(label) ? 1 : 0;
            }

            double upper = ofThreshold < ConformalThreshold.RowsNeeded(coverage) ? 1 : coverage + 1.0 / (ofThreshold + 1);
            Assert.IsGreaterThan(Doubt, BinomialTail.AtMost(covered, splits, coverage), $"{score}: {covered} of {splits}");
            if (model != "ties" && model != "useless")
                Assert.IsGreaterThan(Doubt, 1 - BinomialTail.AtMost(covered - 1, splits, upper), $"{score}: {covered} of {splits}");

            (float[] Row, int Label) Draw() => PredictionSetCoverageTests.Draw(model, classes, random);
        }
    }

    /// <summary>How often the sets of one fit hold the right class is known here to a hair, for it is a share of all rows that can be
    /// drawn. Over fits its mean lies where theory says, and its spread is √(α (1 − α) / n).</summary>
    [TestMethod]
    [DataRow("calibrated", PredictionSetScore.LeastAmbiguous)]
    [DataRow("overconfident", PredictionSetScore.Adaptive)]
    [DataRow("overconfident", PredictionSetScore.RegularizedAdaptive)]
    public void TenThousandRowsGiveTheCoverageAskedToATwentiethOfAPoint(string model, PredictionSetScore score)
    {
        const int Rows = 10_000, Classes = 3, Pool = 50_000;
        const double Coverage = 0.9;
        var random = new Random(10);
        // Tuning looks at other rows, so any penalty will do.
        var kind = score == PredictionSetScore.RegularizedAdaptive ? new Nonconformity(score, 7, Penalty: .05, FreeRanks: 1)
            : new Nonconformity(score, 7);
        double[] pool = new double[Pool];
        for (int i = 0; i < Pool; i++)
        {
            (float[] row, int label) = Draw(model, Classes, random);
            (double own, int rank) = kind.Of(row, label);
            pool[i] = kind.Penalised(own, rank);
        }

        Array.Sort(pool);
        double[] held = new double[Splits], scores = new double[Rows];
        for (int split = 0; split < Splits; split++)
        {
            random.GetItems(pool, scores);
            double threshold = ConformalThreshold.Of(scores, Coverage);
            held[split] = (double)UpperBound(pool, threshold) / Pool;
        }

        double spread = Math.Sqrt(Coverage * (1 - Coverage) / Rows), doubt = 4 * spread / Math.Sqrt(Splits), mean = held.Average();
        Assert.IsGreaterThan(Coverage - doubt, mean);
        Assert.IsLessThan(Coverage + 1.0 / (Rows + 1) + 2.0 / Pool + doubt, mean);
        Assert.AreEqual(spread, Math.Sqrt(held.Average(share => (share - mean) * (share - mean))), 0.1 * spread);
    }

    /// <summary>A class that the model hardly ever sees is covered as often as the others, where each has a threshold of its own.</summary>
    [TestMethod]
    public void EachClassIsCoveredWhereEachHasAThreshold()
    {
        const int Rows = 300;
        const double Coverage = 0.8;
        var random = new Random(5);
        int[] covered = new int[2], common = new int[2], set = new int[2];
        for (int split = 0; split < Splits; split++)
        {
            (Nonconformity kind, double[] own, _) = Fit(
                () => Rare(random, random.NextDouble() < 0.1 ? 1 : 0), PredictionSetScore.LeastAmbiguous, Coverage, true, Rows, 2);
            (_, double[] one, _) = Fit(() => Rare(random, random.NextDouble() < 0.1 ? 1 : 0), PredictionSetScore.LeastAmbiguous, Coverage,
                false, Rows, 2);
            for (int k = 0; k < 2; k++)
            {
                (float[] row, int label) = Rare(random, k);
                covered[k] += set[..kind.Fill(row, own, set, new RankedClasses(2))].Contains(label) ? 1 : 0;
                common[k] += set[..kind.Fill(row, one, set, new RankedClasses(2))].Contains(label) ? 1 : 0;
            }
        }

        for (int k = 0; k < 2; k++)
        {
            Assert.IsGreaterThan(Doubt, BinomialTail.AtMost(covered[k], Splits, Coverage), $"class {k}: {covered[k]}");
            Assert.IsGreaterThan(Doubt, 1 - BinomialTail.AtMost(covered[k] - 1, Splits, Coverage + 0.1), $"class {k}: {covered[k]}");
        }

        Assert.IsLessThan(0.6 * Splits, common[1], "One threshold leaves the rare class out.");
    }

    /// <summary>With a threshold for each class the promise holds for the rows of each, whatever the model, with each score: no class is
    /// covered less often than asked, beyond chance, and where scores are continuous none more often than n of its rows allow.</summary>
    [TestMethod]
    [DataRow("calibrated", 3)]
    [DataRow("overconfident", 4)]
    [DataRow("useless", 3)]
    [DataRow("ties", 3)]
    public void EveryClassIsCoveredWithEachScoreAndEachModel(string model, int classes)
    {
        const int Draws = 400, RowsOfClass = 40;
        const double Coverage = 0.85;
        foreach (PredictionSetScore score in Enum.GetValues<PredictionSetScore>())
        {
            var random = new Random(classes);
            // The tuned score gives a fifth of the rows away.
            int rows = classes * (score == PredictionSetScore.RegularizedAdaptive ? RowsOfClass * 5 / 4 : RowsOfClass);
            int[] covered = new int[classes], tried = new int[classes], set = new int[classes];
            var ranked = new RankedClasses(classes);
            for (int draw = 0; draw < Draws; draw++)
            {
                (Nonconformity kind, double[] thresholds, _) =
                    Fit(() => Draw(model, classes, random), score, Coverage, true, rows, classes);
                for (int k = 0; k < classes; k++)
                {
                    (float[] row, int label) = Draw(model, classes, random);
                    tried[label]++;
                    covered[label] += set[..kind.Fill(row, thresholds, set, ranked)].Contains(label) ? 1 : 0;
                }
            }

            for (int k = 0; k < classes; k++)
                Assert.IsGreaterThan(Doubt, BinomialTail.AtMost(covered[k], tried[k], Coverage), $"{score}, class {k}: {covered[k]}");
            if (model is "calibrated" or "overconfident")
            {
                // Classes have about RowsOfClass rows each, hardly ever fewer than half as many.
                for (int k = 0; k < classes; k++)
                    Assert.IsGreaterThan(Doubt, 1 - BinomialTail.AtMost(covered[k] - 1, tried[k], Coverage + 2.0 / RowsOfClass));
            }
        }
    }

    [TestMethod]
    public void AClassWithTooFewRowsGetsTheCommonThresholdAndAWarning()
    {
        var random = new Random(6);
        var fit = new PredictionSetFit(new Nonconformity(PredictionSetScore.LeastAmbiguous, 0), 0.9, 3, perClass: true);
        for (int i = 0; i < 100; i++)
            fit.Add(Draw("calibrated", 3, random).Row, i < 5 ? 2 : i % 2);
        List<string> warnings = [];
        (_, double[] thresholds) = fit.Finish(["a", "b", "rare"], Channel(warnings));
        Assert.HasCount(1, warnings);
        StringAssert.Contains(warnings[0], "1 class(es) have fewer than the 9 rows");
        StringAssert.Contains(warnings[0], "rare (5)");
        Assert.IsTrue(thresholds.All(double.IsFinite));
    }

    private static (Nonconformity Kind, double[] Thresholds, int OfThreshold) Fit(
        Func<(float[] Row, int Label)> draw, PredictionSetScore score, double coverage, bool perClass, int rows, int classes)
    {
        var fit = new PredictionSetFit(new Nonconformity(score, 7), coverage, classes, perClass);
        for (int i = 0; i < rows; i++)
        {
            (float[] row, int label) = draw();
            fit.Add(row, label);
        }

        (Nonconformity kind, double[] thresholds) = fit.Finish([.. Enumerable.Range(0, classes).Select(k => $"{k}")], Silent);
        return (kind, thresholds, score == PredictionSetScore.RegularizedAdaptive && rows >= 100 ? rows - rows / 5 : rows);
    }

    /// <summary>How many of the sorted values are at most this one.</summary>
    private static int UpperBound(double[] sorted, double value)
    {
        (int low, int high) = (0, sorted.Length);
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = sorted[middle] <= value ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    private static (float[] Row, int Label) Draw(string model, int classes, Random random)
    {
        double[] u = [.. Enumerable.Range(0, classes).Select(_ => 4 * random.NextDouble())];
        double[] truth = Softmax(u);
        int label = 0;
        for (double left = random.NextDouble(); label < classes - 1 && (left -= truth[label]) > 0;)
            label++;
        double[] says = model switch
        {
            "overconfident" => Softmax([.. u.Select(value => 3 * value)]),
            "useless" => [.. u.Select(_ => 1.0 / classes)],
            "ties" => Softmax([.. u.Select(value => Math.Round(value))]),
            _ => truth,
        };
        return ([.. says.Select(p => (float)p)], label);
    }

    /// <summary>The model is much less sure of class 1, which is rare.</summary>
    private static (float[] Row, int Label) Rare(Random random, int label)
    {
        float p = label == 0 ? 0.7f + 0.3f * random.NextSingle() : 0.2f + 0.4f * random.NextSingle();
        return (label == 0 ? [p, 1 - p] : [1 - p, p], label);
    }

    private static double[] Softmax(double[] logits)
    {
        double largest = logits.Max();
        double[] powers = Array.ConvertAll(logits, value => Math.Exp(value - largest));
        double sum = powers.Sum();
        return Array.ConvertAll(powers, power => power / sum);
    }

    private static readonly IChannel Silent = Channel([]);

    private static IChannel Channel(List<string> warnings)
    {
        var mlContext = new MLContext(1);
        mlContext.CollectWarnings(warnings);
        return ((IChannelProvider)mlContext).Start("Test");
    }
}
