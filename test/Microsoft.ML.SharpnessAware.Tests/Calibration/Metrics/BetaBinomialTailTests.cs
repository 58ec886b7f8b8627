namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class BetaBinomialTailTests
{
    [TestMethod]
    public void TailsByHand()
    {
        // Uniform probabilities make every number as likely as another.
        for (int k = 0; k <= 10; k++)
            Assert.AreEqual((k + 1) / 11.0, BetaBinomialTail.AtMost(k, 10, 1, 1), 1e-9);
        // Two trials with a probability of density 2p: none in 1/6, one in 1/3.
        Assert.AreEqual(1 / 6.0, BetaBinomialTail.AtMost(0, 2, 2, 1), 1e-9);
        Assert.AreEqual(1 / 2.0, BetaBinomialTail.AtMost(1, 2, 2, 1), 1e-9);
        Assert.AreEqual(0, BetaBinomialTail.AtMost(-1, 10, 2, 3));
        Assert.AreEqual(1, BetaBinomialTail.AtMost(10, 10, 2, 3));
    }

    /// <summary>Where the probability hardly varies it is binomial.</summary>
    [TestMethod]
    [DataRow(85, 100, .9)]
    [DataRow(950, 1000, .93)]
    [DataRow(899_500, 1_000_000, .9)]
    public void ACertainProbabilityGivesTheBinomialTail(long k, long n, double p) =>
        Assert.AreEqual(BinomialTail.AtMost(k, n, p), BetaBinomialTail.AtMost(k, n, 1e10 * p, 1e10 * (1 - p)), 1e-3);

    [TestMethod]
    [DataRow(3, 17, 2.5, 4)]
    [DataRow(1800, 2000, 451, 50)]
    [DataRow(900_000, 1_000_000, 4501, 500)]
    public void BothTailsMakeOne(long k, long n, double a, double b) =>
        Assert.AreEqual(1, BetaBinomialTail.AtMost(k, n, a, b) + BetaBinomialTail.AtMost(n - k - 1, n, b, a), 1e-9);
}
