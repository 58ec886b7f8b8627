using MLSharpness.Evidence.Summary;

namespace Microsoft.ML.SharpnessAware.Tests.Evidence;

[TestClass]
public sealed class EstimateTests
{
    [TestMethod]
    public void MeanErrorAndIntervalAreThoseByHand()
    {
        // 1, 2, 3, 4, 5: standard deviation √2.5, standard error √0.5, t(4) = 2.776.
        Estimate estimate = Estimate.Of([1, 2, 3, 4, 5]);
        Assert.AreEqual(3, estimate.Mean);
        Assert.AreEqual(Math.Sqrt(0.5), estimate.StandardError, 1e-12);
        Assert.AreEqual(2.7764451051977987 * Math.Sqrt(0.5), estimate.HalfWidth, 1e-12);
        Assert.IsTrue(estimate.IsClear);
        Assert.AreEqual("3.00 ± 0.71", estimate.Text(1, 2));
        Assert.AreEqual("**+3.0 [+1.0, +5.0]**", estimate.Difference(1, 1));
    }

    [TestMethod]
    public void AnIntervalThatHoldsZeroIsNotBold() =>
        Assert.AreEqual("+0.5 [−5.9, +6.9]", Estimate.Of([0, 1]).Difference(1, 1));

    [TestMethod]
    public void OneSeedHasNoInterval()
    {
        Estimate estimate = Estimate.Of([-2]);
        Assert.IsFalse(estimate.IsClear);
        Assert.AreEqual("-2.0", estimate.Text(1, 1));
        Assert.AreEqual("−2.0", estimate.Difference(1, 1));
    }
}
