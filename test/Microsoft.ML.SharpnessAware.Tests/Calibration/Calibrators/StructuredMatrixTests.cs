using static Microsoft.ML.SharpnessAware.Tests.Calibration.CalibratorFits;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class StructuredMatrixTests
{
    /// <summary>The paper's penalties, K and K (K − 1) on squares against the sum of the loss, are Dirichlet's λ and μ but for the
    /// diagonal.</summary>
    [TestMethod]
    public void ThePenaltiesAreThoseOfThePaper()
    {
        ScoredRows rows = ScoredRows.Confused(200);
        var loss = new SmoothedLogLoss(rows.ForFit());
        double[] point = [.9, .1, -.2, 0, 1.2, .3, .1, .1, .8, .2, -.1, 0], gradient = new double[12];
        double plain = new DirichletObjective(loss, 0, 0, 0).Evaluate(point, gradient);
        double penalised = new DirichletObjective(loss, 6, 12, 6).Evaluate(point, gradient);
        double diagonal = .1 * .1 + .2 * .2 + .2 * .2, off = .1 * .1 + .2 * .2 + .3 * .3 + .1 * .1 + .1 * .1, bias = .2 * .2 + .1 * .1;
        Assert.AreEqual(plain + (3 * (diagonal + bias) + 6 * off) / 200, penalised, 1e-12);

        var fitted = (DirichletCalibrator)Fit("StructuredMatrix", rows);
        double[] learnt = [.. fitted.Weights.SelectMany(row => row).Select(weight => weight * loss.Temperature), .. fitted.Bias];
        double best = new DirichletObjective(loss, 6, 12, 6).Evaluate(learnt, gradient);
        Assert.IsLessThan(1e-5, gradient.Max(Math.Abs));
        Assert.IsLessThan(penalised, best);
    }

    [TestMethod]
    public void WithFewRowsItStaysNearTheTemperatureAndWithManyItLearns()
    {
        ScoredRows others = ScoredRows.Drawn(3000, new[,] { { .5, .1, 0 }, { 0, .7, -.2 }, { .1, 0, .9 } }, [.3, 0, -.3], seed: 2);
        ScoredRows few = ScoredRows.Confused(30), many = ScoredRows.Confused(3000);
        Assert.IsLessThan(others.LogLoss(Fit("Temperature", few)) + 0.02, others.LogLoss(Fit("StructuredMatrix", few)));
        Assert.IsLessThan(others.LogLoss(Fit("Temperature", many)) - 0.005, others.LogLoss(Fit("StructuredMatrix", many)));
    }

    [TestMethod]
    public void TooManyClassesAreRefusedWithWhatToUse()
    {
        float[] row = new float[129];
        row[0] = 1;
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
            () => Fit("StructuredMatrix", ScoredRows.Of(129, (0, row)))).Message,
                "A structured matrix of 129 classes would have 16641 weights");
    }

    /// <summary>The rows are summed in as many parts as ever, whatever the number of processors.</summary>
    [TestMethod]
    public void ThreadsDoNotChangeTheBits()
    {
        var random = new Random(1);
        ScoredRows rows = ScoredRows.Of(40, [.. Enumerable.Range(0, 800).Select(_ =>
            (random.Next(40), ScoredRows.Softmax([.. Enumerable.Range(0, 40).Select(_ => 3 * random.NextDouble())]).Select(p => (float)p)
                .ToArray()))]);
        var loss = new SmoothedLogLoss(rows.ForFit());
        double[] point = [.. DirichletCalibrator.Identity(40), .. new double[40]], first = new double[point.Length], second =
            new double[point.Length];
        Assert.AreEqual(new DirichletObjective(loss, 1, 2, 3).Evaluate(point, first), new DirichletObjective(loss, 1, 2, 3)
            .Evaluate(point, second));
        CollectionAssert.AreEqual(first, second);
    }
}
