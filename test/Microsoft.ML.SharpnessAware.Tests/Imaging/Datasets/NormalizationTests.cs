using TorchSharp;
using static Microsoft.ML.SharpnessAware.Tests.TestRows;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class NormalizationTests
{
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void MomentsAreThoseOfADirectComputation(bool bytes)
    {
        using var scope = NewDisposeScope();
        Tensor pixels = bytes ? randint(0, 256, [50, 3, 8, 7], dtype: ScalarType.Byte) : randn([50, 3, 8, 7]) * 0.01f + 1000;
        using Normalization normalization = Normalization.FromData(pixels);
        for (int channel = 0; channel < 3; channel++)
        {
            double[] values = pixels.select(1, channel).to(float64).contiguous().data<double>().ToArray();
            double mean = values.Average();
            double deviation = Math.Sqrt(values.Average(value => (value - mean) * (value - mean)));
            Assert.AreEqual(mean, normalization.Mean[channel], 1e-9 * mean);
            Assert.AreEqual(deviation, normalization.StandardDeviation[channel], 1e-9 * deviation);
        }
    }

    [TestMethod]
    public void ChunksMakeNoDifference()
    {
        using var scope = NewDisposeScope();
        Tensor pixels = randint(0, 256, [3, 1, 2000, 1500], dtype: ScalarType.Byte); // an image is most of a chunk
        using Normalization normalization = Normalization.FromData(pixels);
        Assert.AreEqual(pixels.to(float64).mean().item<double>(), normalization.Mean[0], 1e-9);
    }

    [TestMethod]
    public void ADataSetCountsItsOwnRowsOnly()
    {
        IDataView view = Pixels([1, 1, 2], Dense<byte>(10, 20), Dense<byte>(200, 100), Dense<byte>(30, 40));
        using ImageDataset data = ImageDataset.Load(view, "Image", "Label", new());
        using ImageDataset subset = data.Subset([0, 2]);
        using Normalization normalization = Normalization.FromData(subset);
        Assert.AreEqual(25, normalization.Mean[0]);
        Assert.AreEqual(Math.Sqrt(125), normalization.StandardDeviation[0], 1e-12);
    }

    [TestMethod]
    public void AChannelThatNeverChangesGetsDeviationOne()
    {
        using Tensor pixels = full([4, 1, 3, 3], 200, dtype: ScalarType.Byte);
        using Normalization normalization = Normalization.FromData(pixels);
        Assert.AreEqual(200, normalization.Mean[0]);
        Assert.AreEqual(1, normalization.StandardDeviation[0]);
        using Tensor constants = full([4, 1, 3, 3], 0.1f);
        using Normalization ofFloats = Normalization.FromData(constants);
        Assert.AreEqual(1, ofFloats.StandardDeviation[0]);
    }

    [TestMethod]
    public void ApplyGivesNewFloatsOfMeanZeroAndDeviationOne()
    {
        using var scope = NewDisposeScope();
        foreach (ScalarType type in new[] { ScalarType.Byte, ScalarType.Float32 })
        {
            Tensor pixels = randint(0, 256, [50, 2, 8, 7]).to_type(type);
            Tensor copy = pixels.clone();
            using Normalization normalization = Normalization.FromData(pixels);
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
        using var normalization = new Normalization([100, 10], [4, 0.5]);
        Tensor pixels = tensor(new byte[] { 108, 11 }, [1, 2, 1, 1]);
        CollectionAssert.AreEqual(new[] { 2f, 2f }, normalization.Apply(pixels).data<float>().ToArray());
    }

    [TestMethod]
    public void NumbersThatCannotNormaliseAreRefused()
    {
        Assert.ThrowsExactly<ArgumentException>(() => new Normalization([1, 2], [1]));
        Assert.ThrowsExactly<ArgumentException>(() => new Normalization([1], [0]));
        Assert.ThrowsExactly<ArgumentException>(() => new Normalization([double.NaN], [1]));
        Assert.ThrowsExactly<ArgumentException>(() => new Normalization([], []));
    }

    [TestMethod]
    public void NoTensorIsLeft()
    {
        using Tensor pixels = randint(0, 256, [5, 1, 3, 3], dtype: ScalarType.Byte);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        using (Normalization normalization = Normalization.FromData(pixels))
            normalization.Apply(pixels).Dispose();
        Assert.AreEqual(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }
}
