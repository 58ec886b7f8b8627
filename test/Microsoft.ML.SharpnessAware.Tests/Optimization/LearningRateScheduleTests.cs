namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class LearningRateScheduleTests
{
    [TestMethod]
    public void ConstantIsOneEverywhere() => Assert.AreEqual(1.0, new LearningRateSchedule.Constant().Factor(7, 10));

    [TestMethod]
    public void CosineIsExactAtItsEndsAndMiddle()
    {
        var schedule = new LearningRateSchedule.Cosine(WarmupFraction: 0, FinalFraction: 0.1);
        Assert.AreEqual(1.0, schedule.Factor(0, 100));
        Assert.AreEqual(0.55, schedule.Factor(50, 100), 1e-15);
        Assert.AreEqual(0.1, schedule.Factor(100, 100));
        Assert.AreEqual(0.1, schedule.Factor(150, 100));
        Assert.AreEqual(0.0, new LearningRateSchedule.Cosine().Factor(100, 100));
    }

    [TestMethod]
    public void WarmUpRisesLinearlyToOneAndThenTheCosineFalls()
    {
        var schedule = new LearningRateSchedule.Cosine(WarmupFraction: 0.1);
        double[] factors = [.. Enumerable.Range(0, 100).Select(t => schedule.Factor(t, 100))];
        for (int t = 0; t < 10; t++)
            Assert.AreEqual((t + 1) / 11.0, factors[t], 1e-15);
        Assert.AreEqual(1.0, factors[10]);
        Assert.AreEqual(0.5, schedule.Factor(55, 100), 1e-15);
        for (int t = 11; t < 100; t++)
            Assert.IsLessThan(factors[t - 1], factors[t]);
        Assert.IsGreaterThan(0.0, factors[99]);
    }

    [TestMethod]
    public void AOneStepRunTrainsAtTheFullRate() => Assert.AreEqual(1.0, new LearningRateSchedule.Cosine(0.9).Factor(0, 1));

    [TestMethod]
    public void BadNumbersAreRejected()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new LearningRateSchedule.Cosine(WarmupFraction: 1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new LearningRateSchedule.Cosine(FinalFraction: 1.1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new LearningRateSchedule.Cosine() with { WarmupFraction = -0.1 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new LearningRateSchedule.Constant().Factor(-1, 10));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new LearningRateSchedule.Constant().Factor(0, 0));
    }
}
