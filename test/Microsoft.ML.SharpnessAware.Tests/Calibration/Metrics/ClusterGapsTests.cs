namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class ClusterGapsTests
{
    /// <summary>In each cluster one gap makes up for the other: they say no less than independent rows, and are not taken to say
    /// more.</summary>
    [TestMethod]
    public void ClustersWhoseGapsCancelAddNothing()
    {
        ClusterGaps gaps = new(new ClusterUnits([0, 0, 1, 1], 1), new int[4], [.5, -.5, .5, -.5], 1);
        Assert.AreEqual(1.0, gaps.DesignEffect);
        Assert.AreEqual(1.0, gaps.TotalEffect);
        CollectionAssert.AreEqual(new[] { 0.0 }, gaps.Draw(new BootstrapRandom(1, 0)).ToArray());
    }
}
