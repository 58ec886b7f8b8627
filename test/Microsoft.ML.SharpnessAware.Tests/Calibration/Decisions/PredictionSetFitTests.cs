using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>How the two numbers of the regularised score are tuned, and on which rows.</summary>
[TestClass]
public sealed class PredictionSetFitTests
{
    private static readonly float[] Row = [.8f, .15f, .05f];

    /// <summary>Every fifth row is tuned on, and only those are wrong here: the threshold knows nothing of them.</summary>
    [TestMethod]
    public void RowsThatAreTunedOnGiveNoThreshold()
    {
        (_, double[] thresholds) = Fit(coverage: .9, rows: 200, i => i % 5 == 4 ? 2 : 0);
        Assert.IsLessThanOrEqualTo(.8 + 1e-6, thresholds[0]);
        (_, thresholds) = Fit(coverage: .9, rows: 99, i => i % 5 == 4 ? 2 : 0);
        Assert.IsGreaterThan(.9, thresholds[0], "too few to spare a fifth");
    }

    /// <summary>Of the rows that are tuned on half have the most probable class and half the third.</summary>
    [TestMethod]
    [DataRow(.9, 3)]
    [DataRow(.6, 3)]
    [DataRow(.5, 1)]
    [DataRow(.2, 1)]
    public void TheFreeRanksHoldTheShareAsked(double coverage, int freeRanks)
    {
        (Nonconformity kind, _) = Fit(coverage, rows: 400, i => i % 10 == 4 ? 2 : 0);
        Assert.AreEqual(freeRanks, kind.FreeRanks);
    }

    /// <summary>Long tails cost: a model that is right or has no idea needs fewer classes with a penalty than without.</summary>
    [TestMethod]
    public void ThePenaltyIsTheOneOfTheSmallestSets()
    {
        const int Classes = 20;
        var random = new Random(1);
        var fit = new PredictionSetFit(new Nonconformity(PredictionSetScore.RegularizedAdaptive, 1), .9, Classes, perClass: false);
        for (int i = 0; i < 2000; i++)
        {
            int likely = random.Next(Classes);
            float[] row = [.. Enumerable.Range(0, Classes).Select(k =>
                k == likely ? .5f : .5f / (Classes - 1) * (.9f + .2f * random.NextSingle()))];
            float sum = row.Sum();
            fit.Add([.. row.Select(p => p / sum)], random.NextDouble() < .93 ? likely : random.Next(Classes));
        }

        (Nonconformity kind, _) = fit.Finish([.. Enumerable.Range(0, Classes).Select(k => $"{k}")], Silent());
        Assert.IsGreaterThan(0, kind.Penalty);
        Assert.AreEqual(1, kind.FreeRanks);
    }

    /// <summary>The kind of score is saved with its seed: sets must be the same when they are loaded by a later version.</summary>
    [TestMethod]
    public void TheDrawOfARowIsTheSameInEveryVersion()
    {
        float[] nine = [.25f, .2f, .15f, .1f, .1f, .08f, .06f, .04f, .02f];
        Assert.AreEqual(0.4661008160953, 1 - new Nonconformity(PredictionSetScore.Adaptive, 3).Of(Row, 0).Score / Row[0], 1e-12);
        Assert.AreEqual(0.2429005850820, 1 - new Nonconformity(PredictionSetScore.Adaptive, 3).Of(nine, 0).Score / nine[0], 1e-12);
    }

    private static (Nonconformity Kind, double[] Thresholds) Fit(double coverage, int rows, Func<int, int> label)
    {
        var fit = new PredictionSetFit(new Nonconformity(PredictionSetScore.RegularizedAdaptive, 7), coverage, 3, perClass: false);
        for (int i = 0; i < rows; i++)
            fit.Add(Row, label(i));
        return fit.Finish(["a", "b", "c"], Silent());
    }

    private static IChannel Silent() => ((IChannelProvider)new MLContext(1)).Start("Test");
}
