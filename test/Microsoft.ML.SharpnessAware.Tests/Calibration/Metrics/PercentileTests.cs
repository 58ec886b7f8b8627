namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class PercentileTests
{
    /// <summary>Nine draws divide the line into ten parts of equal probability; beyond them the ends are all that is known.</summary>
    [TestMethod]
    [DataRow(.5, 5)]
    [DataRow(.1, 1)]
    [DataRow(.25, 2.5)]
    [DataRow(.01, 1)]
    [DataRow(.99, 9)]
    public void NineDrawsByHand(double probability, double expected) =>
        Assert.AreEqual(expected, Percentile.Of([1, 2, 3, 4, 5, 6, 7, 8, 9], probability), 1e-12);
}
