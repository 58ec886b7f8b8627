using TorchSharp;
using static Microsoft.ML.SharpnessAware.Tests.TestRows;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class PixelStatisticsTests
{
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void MomentsAreThoseOfADirectComputation(bool bytes)
    {
        using var scope = NewDisposeScope();
        Tensor pixels = bytes ? randint(0, 256, [50, 3, 8, 7], dtype: ScalarType.Byte) : randn([50, 3, 8, 7]) * 0.01f + 1000;
        PixelStatistics statistics = PixelStatistics.FromData(pixels);
        for (int channel = 0; channel < 3; channel++)
        {
            double[] values = pixels.select(1, channel).to(float64).contiguous().data<double>().ToArray();
            double mean = values.Average();
            double deviation = Math.Sqrt(values.Average(value => (value - mean) * (value - mean)));
            Assert.AreEqual(mean, statistics.Mean[channel], 1e-9 * mean);
            Assert.AreEqual(deviation, statistics.StandardDeviation[channel], 1e-9 * deviation);
        }
    }

    [TestMethod]
    public void ChunksMakeNoDifference()
    {
        using var scope = NewDisposeScope();
        Tensor pixels = randint(0, 256, [3, 1, 2000, 1500], dtype: ScalarType.Byte); // an image is most of a chunk
        PixelStatistics statistics = PixelStatistics.FromData(pixels);
        Assert.AreEqual(pixels.to(float64).mean().item<double>(), statistics.Mean[0], 1e-9);
    }

    [TestMethod]
    public void ADataSetCountsItsOwnRowsOnly()
    {
        IDataView view = Pixels([1, 1, 2], Dense<byte>(10, 20), Dense<byte>(200, 100), Dense<byte>(30, 40));
        using ImageDataset data = ImageDataset.Load(view, "Image", "Label", new());
        using ImageDataset subset = data.Subset([0, 2]);
        PixelStatistics statistics = PixelStatistics.FromData(subset);
        Assert.AreEqual(25, statistics.Mean[0]);
        Assert.AreEqual(Math.Sqrt(125), statistics.StandardDeviation[0], 1e-12);
    }

    [TestMethod]
    public void AChannelThatNeverChangesGetsDeviationOne()
    {
        using Tensor pixels = full([4, 1, 3, 3], 200, dtype: ScalarType.Byte);
        PixelStatistics statistics = PixelStatistics.FromData(pixels);
        Assert.AreEqual(200, statistics.Mean[0]);
        Assert.AreEqual(1, statistics.StandardDeviation[0]);
        using Tensor constants = full([4, 1, 3, 3], 0.1f);
        PixelStatistics ofFloats = PixelStatistics.FromData(constants);
        Assert.AreEqual(1, ofFloats.StandardDeviation[0]);
    }

    [TestMethod]
    public void NumbersThatCannotNormaliseAreRefused()
    {
        Assert.AreEqual("mean", ErrorFor([1, 2], [1]));
        Assert.AreEqual("standardDeviation", ErrorFor([1], [0]));
        Assert.AreEqual("standardDeviation", ErrorFor([1, 1], [1, double.PositiveInfinity]));
        Assert.AreEqual("standardDeviation", ErrorFor([1], [double.NaN]));
        Assert.AreEqual("mean", ErrorFor([double.NaN], [1]));
        Assert.AreEqual("mean", ErrorFor([], []));

        static string? ErrorFor(double[] mean, double[] standardDeviation) =>
            Assert.ThrowsExactly<ArgumentException>(() => new PixelStatistics(mean, standardDeviation)).ParamName;
    }

    [TestMethod]
    public void EqualNumbersOfPixelsOfATypeAreEqual()
    {
        var statistics = new PixelStatistics([1, 2], [3, 4], ScalarType.Byte);
        Assert.AreEqual(statistics, new PixelStatistics([1, 2], [3, 4], ScalarType.Byte));
        Assert.AreEqual(statistics.GetHashCode(), new PixelStatistics([1, 2], [3, 4], ScalarType.Byte).GetHashCode());
        Assert.AreNotEqual(statistics, new PixelStatistics([1, 2.5], [3, 4], ScalarType.Byte));
        Assert.AreNotEqual(statistics, new PixelStatistics([1, 2], [3, 4.5], ScalarType.Byte));
        Assert.AreNotEqual(statistics, new PixelStatistics([1, 2], [3, 4], ScalarType.Float32));
        Assert.AreNotEqual(statistics, new PixelStatistics([1], [3], ScalarType.Byte));
    }

    [TestMethod]
    public void TheyStayWhatTheyWereWhenTheirSourcesChange()
    {
        double[] mean = [1], deviation = [2];
        var statistics = new PixelStatistics(mean, deviation);
        (mean[0], deviation[0]) = (double.NaN, 0);
        Assert.AreEqual(new PixelStatistics([1], [2]), statistics);
    }

    [TestMethod]
    public void TheyAreOfThePixelsTypeAndMakeNoTensor()
    {
        using Tensor bytes = zeros([5, 1, 3, 3], dtype: ScalarType.Byte), floats = zeros([5, 1, 3, 3]);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Assert.AreEqual(ScalarType.Byte, PixelStatistics.FromData(bytes).PixelType);
        Assert.AreEqual(ScalarType.Float32, PixelStatistics.FromData(floats).PixelType);
        Assert.AreEqual(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }
}
