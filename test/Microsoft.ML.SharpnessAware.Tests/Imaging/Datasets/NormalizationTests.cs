using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class NormalizationTests
{
    [TestMethod]
    public void ApplyGivesNewFloatsOfMeanZeroAndDeviationOne()
    {
        using var scope = NewDisposeScope();
        foreach (ScalarType type in new[] { ScalarType.Byte, ScalarType.Float32 })
        {
            Tensor pixels = randint(0, 256, [50, 2, 8, 7]).to_type(type);
            Tensor copy = pixels.clone();
            using var normalization = new Normalization(PixelStatistics.FromData(pixels), CPU);
            Tensor result = normalization.Apply(pixels);
            Assert.AreEqual(ScalarType.Float32, result.dtype);
            Assert.AreEqual(0, result.mean().item<float>(), 1e-4);
            Assert.AreEqual(1, result.std().item<float>(), 1e-3);
            Assert.IsTrue(copy.equal(pixels).all().item<bool>(), "the batch must not change");
        }
    }

    [TestMethod]
    public void ApplyIsTheFormula()
    {
        using var scope = NewDisposeScope();
        using var normalization = new Normalization(new([100, 10], [4, 0.5]), CPU);
        Tensor pixels = tensor(new byte[] { 108, 11 }, [1, 2, 1, 1]);
        CollectionAssert.AreEqual(new[] { 2f, 2f }, normalization.Apply(pixels).data<float>().ToArray());
    }

    [TestMethod]
    public void NoTensorIsLeft()
    {
        using Tensor pixels = randint(0, 256, [5, 1, 3, 3], dtype: ScalarType.Byte);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        using (var normalization = new Normalization(PixelStatistics.FromData(pixels), CPU))
            normalization.Apply(pixels).Dispose();
        Assert.AreEqual(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }
}
