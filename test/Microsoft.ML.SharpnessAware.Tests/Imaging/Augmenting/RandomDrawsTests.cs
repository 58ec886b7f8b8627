namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class RandomDrawsTests
{
    // The variance of B(α, α) is 1 / (4 (2α + 1)), its fourth central moment 3 / (16 (2α + 1) (2α + 3)).
    [TestMethod]
    [DataRow(0.2)]
    [DataRow(1)]
    [DataRow(4)]
    public void BetaHasTheMomentsOfTheBetaDistribution(double alpha)
    {
        var random = new Random(1);
        double[] draws = [.. Enumerable.Range(0, 20_000).Select(_ => random.Beta(alpha))];
        Assert.IsTrue(draws.All(draw => draw is >= 0 and <= 1));
        Assert.AreEqual(0.5, draws.Average(), 0.012);
        double variance = 1 / (4 * ((2 * alpha) + 1));
        Assert.AreEqual(variance, draws.Average(draw => Math.Pow(draw - 0.5, 2)), 0.03 * variance);
        double fourth = 3 / (16 * ((2 * alpha) + 1) * ((2 * alpha) + 3));
        Assert.AreEqual(fourth, draws.Average(draw => Math.Pow(draw - 0.5, 4)), 0.06 * fourth);
    }

    [TestMethod]
    public void BetaOfATinyAlphaIsNearlyAlwaysZeroOrOneAndNeverNaN()
    {
        var random = new Random(2);
        double[] draws = [.. Enumerable.Range(0, 1000).Select(_ => random.Beta(1e-6))];
        Assert.IsTrue(draws.All(draw => draw is >= 0 and <= 1));
        Assert.AreEqual(500, draws.Count(draw => draw < 1e-3), 60.0);
        Assert.AreEqual(500, draws.Count(draw => draw > 1 - 1e-3), 60.0);
    }
}
