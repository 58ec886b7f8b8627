using SkiaSharp;
using static Microsoft.ML.SharpnessAware.Tests.TestRows;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class ContactSheetTests
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".png");

    [TestCleanup]
    public void DeleteFile() => File.Delete(_path);

    [TestMethod]
    public void OriginalsStandInTheFirstColumnAndVersionsBesideThem()
    {
        IDataView data = Pixels([1, 1, 2], Dense<byte>(10, 200), Dense<byte>(60, 150));
        Augmentation.Flip.SaveContactSheet(_path, data, "Image", versions: 3);
        using SKBitmap sheet = SKBitmap.Decode(_path);

        // Cells of 96 × 48 pixels (two pixels, 48 times enlarged) and 4 of space; 8 more after the first column.
        Assert.AreEqual((4 * 100) + 12, sheet.Width);
        Assert.AreEqual((2 * 52) + 4, sheet.Height);
        CollectionAssert.AreEqual(new[] { 10, 200, 60, 150 }, new[] { Grey(4, 0), Grey(52, 0), Grey(4, 1), Grey(52, 1) });
        var seen = new HashSet<(int, int)>();
        for (int column = 0; column < 3; column++)
            seen.Add((Grey(112 + (column * 100), 0), Grey(112 + 48 + (column * 100), 0)));
        Assert.IsTrue(seen.IsSubsetOf([(10, 200), (200, 10)]));
        Assert.AreEqual(SKColors.White, sheet.GetPixel(105, 20));

        int Grey(int x, int row)
        {
            SKColor color = sheet.GetPixel(x + 1, 4 + (row * 52) + 1);
            Assert.IsTrue(color.Red == color.Green && color.Red == color.Blue);
            return color.Red;
        }
    }

    [TestMethod]
    public void ImagesComeFromAllOverTheDataAndFromFilesInColour()
    {
        byte[][] files = [.. Enumerable.Range(0, 10).Select(i => TestImages.Encode(2, 2, (_, _) => new SKColor((byte)(20 * i), 7, 9)))];
        Augmentation.None.SaveContactSheet(_path, Files(files), "Image", count: 5, versions: 1, imageWidth: 96);
        using SKBitmap sheet = SKBitmap.Decode(_path);
        byte[] reds = [.. Enumerable.Range(0, 5).Select(row => sheet.GetPixel(20, (row * 100) + 20).Red)];
        CollectionAssert.AreEqual(new byte[] { 0, 40, 80, 120, 160 }, reds);
        Assert.AreEqual(new SKColor(40, 7, 9), sheet.GetPixel(150, 120));
    }

    [TestMethod]
    public void FloatsFromZeroToOneAreShownLikeBytes()
    {
        Augmentation.None.SaveContactSheet(_path, Pixels([3, 1, 1], Dense(0.2f, 0.4f, 1f)), "Image");
        using SKBitmap sheet = SKBitmap.Decode(_path);
        Assert.AreEqual(new SKColor(51, 102, 255), sheet.GetPixel(20, 20));
    }

    [TestMethod]
    public void WhatCannotBeShownIsAnErrorAndNoFile()
    {
        IDataView data = Pixels([1, 1, 2], Dense<byte>(10, 200));
        Assert.AreEqual("count", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() =>
            Augmentation.Flip.SaveContactSheet(_path, data, "Image", 0)).ParamName);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Augmentation.Flip.SaveContactSheet(_path, data, "Picture"));
        StringAssert.Contains(ErrorFor(Pixels([1, 1, 2], Dense(-3f, 5f))), "run from -3 to 5");
        StringAssert.Contains(ErrorFor(Pixels([4, 1, 1], Dense<byte>(1, 2, 3, 4))), "4 channels");
        StringAssert.Contains(ErrorFor(Pixels<byte>([1, 1, 2])), "no rows");
        Assert.IsFalse(File.Exists(_path));

        string ErrorFor(IDataView images) =>
            Assert.ThrowsExactly<InvalidOperationException>(() => Augmentation.Flip.SaveContactSheet(_path, images, "Image")).Message;
    }

    [TestMethod]
    public void NoTensorIsLeft()
    {
        IDataView data = Pixels([1, 1, 2], Dense<byte>(10, 200), Dense<byte>(60, 150));
        long before = TorchSharp.DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Augmentation.Strong.SaveContactSheet(_path, data, "Image", versions: 2);
        Assert.AreEqual(before, TorchSharp.DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }
}
