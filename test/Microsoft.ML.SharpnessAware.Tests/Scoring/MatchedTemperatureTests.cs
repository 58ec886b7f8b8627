namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class MatchedTemperatureTests
{
    [TestMethod]
    [DataRow(1.0, 1.0)]
    [DataRow(1.3, 0.8)]
    [DataRow(0.2, 1.9)]
    public void LogitsThatGrewByAFactorGetATemperatureLargerByIt(double temperature, double factor)
    {
        float[] before = Logits(200, 4), after = [.. before.Select(z => (float)(factor * z) + 3)];

        Assert.AreEqual(factor * temperature, MatchedTemperature.Fit(after, before, temperature, 4), 1e-5);
    }

    [TestMethod]
    public void NoiseMakesTheModelLessSure()
    {
        var random = new Random(2);
        float[] before = Logits(2000, 4), after = [.. before.Select(z => z + (float)(random.NextDouble() - 0.5) * 4)];

        Assert.IsGreaterThan(1.05, MatchedTemperature.Fit(after, before, 1, 4));
    }

    [TestMethod]
    public void WhereNoTemperatureIsBetterItStays()
    {
        Assert.AreEqual(1.7, MatchedTemperature.Fit(new float[30], Logits(10, 3), 1.7, 3));
        float[] sure = [.. Logits(10, 3).Select(z => 1e6f * z)];
        Assert.AreEqual(0.01, MatchedTemperature.Fit(sure, sure, 0.01, 3));
        Assert.AreEqual(2, MatchedTemperature.Fit([3, -1], [3, -1], 2, 2), 1e-9);
    }

    private static float[] Logits(int rows, int classes)
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, rows * classes).Select(_ => (float)(6 * random.NextDouble()))];
    }
}
