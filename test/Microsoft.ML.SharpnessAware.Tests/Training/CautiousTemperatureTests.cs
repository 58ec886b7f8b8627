namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class CautiousTemperatureTests
{
    /// <summary>All right by the same margin m: each of the other classes has the probability q = 2 / (rows + 2) / K, and the label
    /// 1 − (K − 1) q, and the one over the other is e^(−m/T).</summary>
    [TestMethod]
    [DataRow(1, 4f, 2)]
    [DataRow(2, 4f, 2)]
    [DataRow(9, 4f, 2)]
    [DataRow(69, 0.5f, 2)]
    [DataRow(999, 20f, 2)]
    [DataRow(9, 4f, 3)]
    [DataRow(69, 4f, 10)]
    public void AllRightIsAsCertainAsTheNumberOfRowsAllows(int rows, float margin, int classes)
    {
        float[] logits = [.. Enumerable.Range(0, rows).SelectMany(_ => Enumerable.Repeat(0f, classes - 1).Append(margin))];
        int[] labels = [.. Enumerable.Repeat(classes - 1, rows)];
        double other = 2.0 / (rows + 2) / classes;
        double expected = -margin / Math.Log(other / (1 - ((classes - 1) * other)));
        Assert.AreEqual(expected, CautiousTemperature.Fit(logits, labels, classes).Value, 1e-3 * expected);
    }

    /// <summary>With many rows the two more do not count: probabilities become those that the labels have.</summary>
    [TestMethod]
    public void WithManyRowsItIsTheTemperatureOfLeastLogLoss()
    {
        var random = new Random(5);
        float[] logits = new float[3 * 20_000];
        int[] labels = new int[20_000];
        double[] weights = new double[3];
        for (int row = 0; row < labels.Length; row++)
        {
            for (int k = 0; k < 3; k++)
                weights[k] = Math.Exp((logits[(3 * row) + k] = (float)(6 * random.NextDouble())) / 2.5);
            double drawn = random.NextDouble() * weights.Sum();
            labels[row] = drawn < weights[0] ? 0 : drawn < weights[0] + weights[1] ? 1 : 2;
        }

        CautiousTemperature cautious = CautiousTemperature.Fit(logits, labels, 3);
        Assert.AreEqual(LeastLogLossTemperature.Fit(logits, labels, 3), cautious.Value, 0.01);
        Assert.AreEqual(2.5, cautious.Value, 0.1);
        Assert.AreEqual(LogitMetrics.Of(logits, labels, 3, cautious.Value).LogLoss, cautious.Loss, 1e-3);
    }

    [TestMethod]
    public void AllWrongIsNoCertaintyAtAll()
    {
        CautiousTemperature cautious = CautiousTemperature.Fit([5, 0, 5, 0, 5, 0], [1, 1, 1], 2);
        Assert.IsGreaterThan(90, cautious.Value);
        Assert.AreEqual(Math.Log(2), cautious.Loss, 0.03);
    }

    [TestMethod]
    public void LogitsThatAreAllAlikeChangeNothing()
    {
        CautiousTemperature cautious = CautiousTemperature.Fit([1, 1, 1, 1], [0, 1], 2);
        Assert.IsTrue(cautious.Value is > 0 and < 200);
        Assert.AreEqual(Math.Log(2), cautious.Loss, 1e-9);
    }
}
