namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class CoveragePromiseTests
{
    /// <summary>Of 1,000 fitted rows the threshold is the 901st: a beta-binomial tail with 901 and 100.</summary>
    [TestMethod]
    [DataRow(870, .01748038)]
    [DataRow(874, .03279602)]
    public void OneThresholdHasTheTailOfItsFitAndOfTheRowsMeasured(int covered, double asFew) =>
        AssertAsFew(asFew, SingleSets.Of([1000], (1000, covered)));

    /// <summary>Thresholds of their own vary apart, so that both together vary less than one does. (Of two beta-binomial numbers the exact
    /// tail is .01671.)</summary>
    [TestMethod]
    public void ThresholdsOfTwoClassesVaryApart() => AssertAsFew(.01672363, SingleSets.Of([1000, 1000], (500, 437), (500, 437)));

    private static void AssertAsFew(double expected, PredictionSetMetrics sets)
    {
        (double asFew, double asMany) = CoveragePromise.Chance(sets)!.Value;
        Assert.AreEqual(expected, asFew, 1e-7);
        Assert.IsGreaterThan(1 - expected, asMany, "so many or more come in all other cases, and in that of just so many");
    }
}
