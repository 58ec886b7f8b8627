namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class ConfidenceBinsTests
{
    /// <summary>The float32 nearest to k/B is on the edge and belongs below it, as k/B does on paper; its neighbour above belongs
    /// above.</summary>
    [TestMethod]
    public void AnEdgeBelongsToTheBinBelowIt()
    {
        int[] counts = [.. Enumerable.Range(1, 130), 1000, 1024, CalibrationMetrics.MaximumNumberOfBins];
        foreach (int count in counts)
        {
            ConfidenceBins bins = new(count);
            for (int edge = 1; edge < count; edge++)
            {
                float value = (float)(edge / (double)count);
                Assert.AreEqual(edge - 1, bins.IndexOf(value), $"{edge}/{count}");
                Assert.AreEqual(edge - 1, bins.IndexOf(MathF.BitDecrement(value)), $"below {edge}/{count}");
                Assert.AreEqual(edge, bins.IndexOf(MathF.BitIncrement(value)), $"above {edge}/{count}");
            }
        }
    }

    /// <summary>With 15 bins every edge k/15 rounds up to float32, so that edges in double would put all of these one bin higher.</summary>
    [TestMethod]
    [DataRow(0.2f, 2)]
    [DataRow(0.4f, 5)]
    [DataRow(0.6f, 8)]
    [DataRow(0.8f, 11)]
    [DataRow(1 / 15f, 0)]
    [DataRow(1 / 3f, 4)]
    [DataRow(2 / 3f, 9)]
    public void RoundNumbersOnAnEdgeOfFifteenBins(float value, int bin) => Assert.AreEqual(bin, new ConfidenceBins(15).IndexOf(value));

    [TestMethod]
    public void ZeroJoinsTheFirstBinAndRoundingAboveOneTheLast()
    {
        ConfidenceBins bins = new(15);
        Assert.AreEqual(0, bins.IndexOf(0));
        Assert.AreEqual(0, bins.IndexOf(float.Epsilon));
        Assert.AreEqual(14, bins.IndexOf(1));
        Assert.AreEqual(14, bins.IndexOf(1.00005f));
    }

    [TestMethod]
    public void BoundsAreExactQuotients()
    {
        ConfidenceBins bins = new(15);
        Assert.AreEqual(0.0, bins.LowerBound(0));
        Assert.AreEqual(1.0, bins.UpperBound(14));
        for (int bin = 1; bin < 15; bin++)
        {
            Assert.AreEqual(bin / 15.0, bins.LowerBound(bin));
            Assert.AreEqual(bins.LowerBound(bin), bins.UpperBound(bin - 1));
        }
    }
}
