using MathNet.Numerics.Distributions;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class BinomialTailTests
{
    [TestMethod]
    public void TailsByHand()
    {
        Assert.AreEqual(56 / 1024.0, BinomialTail.AtMost(2, 10, .5), 1e-12);
        Assert.AreEqual(1 - 1 / 1024.0, BinomialTail.AtMost(9, 10, .5), 1e-12);
        Assert.AreEqual(Math.Pow(.99, 300), BinomialTail.AtMost(0, 300, .01), 1e-12);
        Assert.AreEqual(0, BinomialTail.AtMost(-1, 10, .5));
        Assert.AreEqual(1, BinomialTail.AtMost(10, 10, .5));
        foreach ((long k, long n, double p) in new[] { (3L, 17L, .3), (700, 1000, .7), (5, 1000, .001), (999_000, 1_000_000, .999),
            (1, 2, .5) })
            Assert.AreEqual(1, BinomialTail.AtMost(k, n, p) + BinomialTail.AtMost(n - k - 1, n, 1 - p), 1e-9);
        Assert.AreEqual(.5, BinomialTail.AtMost(500_000, 1_000_000, .5), 1e-3);
    }

    /// <summary>The published intervals of Clopper and Pearson: 8 of 10, 0 of 10.</summary>
    [TestMethod]
    public void IntervalsAreThoseOfClopperAndPearson()
    {
        ConfidenceInterval interval = BinomialTail.Interval(8, 10);
        Assert.AreEqual(.4439, interval.Lower, 5e-5);
        Assert.AreEqual(.9748, interval.Upper, 5e-5);
        Assert.AreEqual(0.0, BinomialTail.Interval(0, 10).Lower, 1e-12);
        Assert.AreEqual(1 - Math.Pow(.025, .1), BinomialTail.Interval(0, 10).Upper, 1e-9);
        Assert.AreEqual(1.0, BinomialTail.Interval(10, 10).Upper);
        Assert.IsTrue(double.IsNaN(BinomialTail.Interval(0, 0).Estimate));
    }

    /// <summary>What the definition says, up to a billion rows: at the ends so many or so few are as rare as asked.</summary>
    [TestMethod]
    [DataRow(1, 100, 0.95)]
    [DataRow(50, 100, 0.95)]
    [DataRow(19, 20, 0.5)]
    [DataRow(1, 1_000_000, 0.95)]
    [DataRow(500_000, 1_000_000, 0.99)]
    [DataRow(990_000, 1_000_000, 0.95)]
    [DataRow(990_000_000, 1_000_000_000, 0.95)]
    public void AtTheEndsOfAnIntervalWhatWasSeenIsAsRareAsAsked(int k, int n, double confidenceLevel)
    {
        ConfidenceInterval interval = BinomialTail.Interval(k, n, confidenceLevel);
        double tail = (1 - confidenceLevel) / 2;
        Assert.AreEqual(tail, BinomialTail.AtMost(k, n, interval.Upper), 1e-6 * tail);
        Assert.AreEqual(tail, 1 - BinomialTail.AtMost(k - 1, n, interval.Lower), 1e-6);
        if (n >= 1_000_000 && k > 1)        // by then it is the normal interval, and half a success more at each end
        {
            double share = k / (double)n, normal = 2 * Normal.InvCDF(0, 1, 1 - tail) * Math.Sqrt(share * (1 - share) / n);
            Assert.AreEqual(1, (interval.Upper - interval.Lower) / (normal + 1.0 / n), 1e-3);
        }
    }
}
