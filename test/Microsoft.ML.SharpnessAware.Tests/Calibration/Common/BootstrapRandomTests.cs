namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class BootstrapRandomTests
{
    private const int Draws = 20_000;

    /// <summary>Small and large numbers of trials, drawn exactly and from the normal distribution.</summary>
    [TestMethod]
    [DataRow(1L, 0.3)]
    [DataRow(20L, 0.02)]
    [DataRow(50L, 0.9)]
    [DataRow(300L, 0.5)]
    [DataRow(399L, 0.5)]
    [DataRow(401L, 0.5)]
    [DataRow(1_000_000L, 0.0001)]
    [DataRow(1_000_000L, 0.0002)]
    [DataRow(2_000_000_000L, 0.37)]
    public void BinomialNumbersHaveTheMomentsOfTheDistribution(long trials, double probability)
    {
        BootstrapRandom random = new(1, 0);
        double[] draws = [.. Enumerable.Range(0, Draws).Select(_ => (double)random.NextBinomial(trials, probability))];
        double variance = trials * probability * (1 - probability);
        double deviation = Math.Sqrt(variance);
        Assert.IsTrue(draws.All(draw => draw >= 0 && draw <= trials));
        Assert.AreEqual(trials * probability, draws.Average(), 4 * deviation / Math.Sqrt(Draws));
        Assert.AreEqual(1, draws.Average(draw => Math.Pow(draw - trials * probability, 2)) / variance, 0.06);
        Assert.AreEqual((1 - 2 * probability) / deviation,
            draws.Average(draw => Math.Pow((draw - trials * probability) / deviation, 3)), 0.25);
    }

    [TestMethod]
    public void CertainAndImpossibleEvents()
    {
        BootstrapRandom random = new(1, 0);
        Assert.AreEqual(0, random.NextBinomial(1000, 0));
        Assert.AreEqual(1000, random.NextBinomial(1000, 1));
        Assert.AreEqual(0, random.NextBinomial(0, 0.5));
    }

    [TestMethod]
    public void NormalNumbersHaveMeanZeroAndVarianceOne()
    {
        BootstrapRandom random = new(2, 0);
        double[] draws = [.. Enumerable.Range(0, Draws).Select(_ => random.NextNormal())];
        Assert.AreEqual(0, draws.Average(), 0.03);
        Assert.AreEqual(1, draws.Average(draw => draw * draw), 0.05);
        Assert.AreEqual(3, draws.Average(draw => Math.Pow(draw, 4)), 0.2);
    }

    /// <summary>These numbers must never change, or intervals in old reports could not be reproduced.</summary>
    [TestMethod]
    public void TheSameSeedGivesTheSameNumbersForever()
    {
        BootstrapRandom random = new(42, 0);
        double[] first = [random.NextDouble(), random.NextDouble()];
        CollectionAssert.AreEqual(new[] { 0.9156476822087564, 0.26989988849343827 }, first);
        Assert.AreNotEqual(first[0], new BootstrapRandom(42, 1).NextDouble());
        Assert.AreNotEqual(first[0], new BootstrapRandom(-42, 0).NextDouble());
    }
}
