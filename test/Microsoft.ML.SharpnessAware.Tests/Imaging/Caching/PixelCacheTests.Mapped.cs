using TorchSharp;
using static Microsoft.ML.SharpnessAware.Tests.TestRows;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

// Pixels that are read from the file while it is in use, and afterwards.
public sealed partial class PixelCacheTests
{
    [TestMethod]
    public void ManyAtTheSameTimeGetTheRightPixelsAndLeaveOneFile()
    {
        IDataView data = Images(40);
        using ImageDataset memory = Load(data, cache: null);
        Parallel.For(0, 16, new ParallelOptions { MaxDegreeOfParallelism = 8 }, _ =>
        {
            using ImageDataset mapped = Load(data, cache: new PixelCache(_folder.Path));
            AssertSame(memory, mapped);
        });
        Assert.HasCount(1, _folder.FileNames());
    }

    [TestMethod]
    public void DeletingTakesTheFilesOfTheCacheAndWhatWasLeftAndNothingElse()
    {
        Load(Images(3)).Dispose();
        Load(Images(4)).Dispose();
        long bytes = Directory.GetFiles(_folder.Path).Sum(file => new FileInfo(file).Length);
        File.WriteAllText(_folder.File("model.cache"), "mine");
        File.WriteAllText(_folder.File("pixels-left.cache.tmp"), "12345");
        using (var written = new FileStream(_folder.File("pixels-now.cache.tmp"), FileMode.CreateNew, FileAccess.Write, FileShare.None))
        {
            Assert.AreEqual(bytes + 5, ImageCache.Delete(_folder.Path));
            CollectionAssert.AreEqual(new[] { "model.cache", "pixels-now.cache.tmp" }, _folder.FileNames());
        }

        Assert.AreEqual(0, ImageCache.Delete(_folder.File("nothing")));
        Assert.ThrowsExactly<ArgumentException>(() => ImageCache.Delete(" "));
    }

    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
    public void PixelsThatAreInUseOutliveTheDeletedFileAndSubsetsOutliveTheWhole()
    {
        ImageDataset whole = Load(Images(6));
        ImageDataset half = whole.Subset([5, 3, 1]);
        using ImageDataset part = half.Subset([2, 0]);
        ImageCache.Delete(_folder.Path);
        whole.Dispose();
        half.Dispose();
        using Tensor pixels = part.Batch(0, 2);
        CollectionAssert.AreEqual(new byte[] { 11, 11, 11, 11, 51, 51, 51, 51 }, pixels.bytes.ToArray());
    }

    [TestMethod]
    public void ARowThatIsNotThereIsAnErrorAndNotTheMemoryBehindTheMap()
    {
        using ImageDataset data = Load(Images(3));
        using Tensor behind = tensor([0L, 3L]), before = tensor([-1L]), none = empty([0], int64);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => data.Batch(behind));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => data.Batch(before));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => data.Batch(2, 2));
        using Tensor empty1 = data.Batch(none), empty2 = data.Batch(3, 0);
        CollectionAssert.AreEqual(new long[] { 0, 1, 2, 2 }, empty1.shape);
        CollectionAssert.AreEqual(new long[] { 0, 1, 2, 2 }, empty2.shape);
    }

    [TestMethod]
    public void StatisticsAndHashOfTheMapAreThoseOfMemory()
    {
        IDataView data = Pixels([3, 1, 2],
            [.. Enumerable.Range(0, 9).Select(i => Dense([.. Enumerable.Range(0, 6).Select(v => v * 31f % 7 * i)]))]);
        using ImageDataset memoryWhole = Load(data, cache: null), mappedWhole = Load(data);
        using ImageDataset memory = memoryWhole.Subset([8, 2, 5]), mapped = mappedWhole.Subset([8, 2, 5]);
        Assert.AreEqual(PixelStatistics.FromData(memory), PixelStatistics.FromData(mapped));
        Assert.AreEqual(memory.ContentHash(), mapped.ContentHash());
        Assert.AreEqual(PixelScale.White(memory), PixelScale.White(mapped));
    }

    [TestMethod]
    public void NothingIsLeftOfADisposedOrFailedDataSet()
    {
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (int run = 0; run < 2; run++)
        {
            using ImageDataset data = Load(Images(9));
            using ImageDataset subset = data.Subset([1, 2]);
            using Tensor index = tensor([0L]);
            data.Batch(index).Dispose();
            subset.Batch(index).Dispose();
            subset.Batch(0, 2).Dispose();
        }

        Error(() => Load(Files(Grey(1), [])));
        Assert.AreEqual(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }
}
