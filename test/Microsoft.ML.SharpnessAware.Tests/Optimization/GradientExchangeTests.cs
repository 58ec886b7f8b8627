using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Optimization;

[TestClass]
public sealed class GradientExchangeTests
{
    /// <summary>A span has at most 2³¹ bytes, so that long vectors go in parts: here those of 7, 7 and 6 values.</summary>
    [TestMethod]
    [DataRow(ScalarType.Float32)]
    [DataRow(ScalarType.Float64)]
    public void AVectorThatGoesInPartsIsSummedWhole(ScalarType type)
    {
        double[][] sums = ThreadProcessGroup.Run(3, group =>
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor vector = arange(20).to(type).mul(group.Rank + 1).view(4, 5);
            GradientExchange.Sum(group, vector, valuesAtATime: 7);
            return vector.to(ScalarType.Float64).reshape(-1).data<double>().ToArray();
        });
        double[] expected = [.. Enumerable.Range(0, 20).Select(i => 6.0 * i)];
        foreach (double[] sum in sums)
            CollectionAssert.AreEqual(expected, sum);
    }
}
