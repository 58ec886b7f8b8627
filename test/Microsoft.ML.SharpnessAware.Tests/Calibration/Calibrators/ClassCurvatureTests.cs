namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Numbers in units of their curvature: the same minimum, much sooner.</summary>
[TestClass]
public sealed class ClassCurvatureTests
{
    /// <summary>Few classes and many, few rows and many, with and without ridges.</summary>
    [TestMethod]
    [DataRow(2, 50, 10.0, 2.0, 1.0)]
    [DataRow(3, 3000, 10.0, 3.0, 1.0)]
    [DataRow(3, 300, 0.1, 0.1, 0.1)]
    [DataRow(12, 600, 24.0, 264.0, 24.0)]
    [DataRow(25, 800, 10.0, 25.0, 1.0)]
    [DataRow(40, 30, 10.0, 40.0, 1.0)]
    public void TheMinimumIsThatWithoutUnits(int classes, int rows, double diagonal, double offDiagonal, double bias)
    {
        var loss = new SmoothedLogLoss(Confused(classes, rows).ForFit());
        (double plain, double[] expected, int plainCalls) = Minimize((objective, point) =>
            LbfgsMinimizer.Minimize(objective, point, () => { }));
        (double inUnits, double[] actual, int calls) = Minimize((objective, point) =>
            new ClassCurvature(loss, diagonal, offDiagonal, bias).Minimize(objective, point, () => { }));

        Assert.AreEqual(plain, inUnits, 1e-5);
        Assert.IsLessThan(plain + 1e-7, inUnits);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 0.02, $"number {i}");
        if (classes >= 12)
            Assert.IsLessThan(plainCalls / 2, calls);

        (double, double[], int) Minimize(Func<LbfgsMinimizer.Objective, double[], bool> minimize)
        {
            int times = 0;
            var objective = new DirichletObjective(loss, diagonal, offDiagonal, bias);
            double[] point = [.. DirichletCalibrator.Identity(classes), .. new double[classes]];
            Assert.IsTrue(minimize((at, gradient) =>
            {
                times++;
                return objective.Evaluate(at, gradient);
            }, point));
            return (objective.Evaluate(point, new double[point.Length]), point, times);
        }
    }

    /// <summary>No ridge, and columns that say nothing: a direction without curvature has a unit all the same.</summary>
    [TestMethod]
    public void WhereThereIsNoCurvatureNothingIsInfinite()
    {
        ScoredRows rows = Confused(4, 60);
        float[] scores = [.. rows.Scores.Select((score, i) => i % 4 < 2 ? .25f : .25f + (i % 4 == 2 ? 1 : -1) * (.24f * (i / 4 % 5) / 5))];
        var loss = new SmoothedLogLoss((rows with { Scores = scores }).ForFit());
        double[] point = [.. DirichletCalibrator.Identity(4), .. new double[4]];
        var objective = new DirichletObjective(loss, 0, 0, 0);
        double start = objective.Evaluate(point, new double[point.Length]);
        new ClassCurvature(loss, 0, 0, 0).Minimize(objective.Evaluate, point, () => { });
        Assert.IsTrue(point.All(double.IsFinite));
        Assert.IsLessThan(start, objective.Evaluate(point, new double[point.Length]));
    }

    /// <summary>Each class looks like the next one, to some rows.</summary>
    private static ScoredRows Confused(int classes, int rows)
    {
        var weights = new double[classes, classes];
        for (int k = 0; k < classes; k++)
            (weights[k, k], weights[k, (k + 1) % classes]) = (.6, .2);
        return ScoredRows.Drawn(rows, weights, [.. Enumerable.Range(0, classes).Select(k => k % 3 * .4)]);
    }
}
