using Microsoft.ML.Data;
using SkiaSharp;
using static Microsoft.ML.SharpnessAware.Tests.TestRows;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class MLImageTests
{
    [TestMethod]
    [DataRow(MLPixelFormat.Rgba32)]
    [DataRow(MLPixelFormat.Bgra32)]
    public void BothPixelFormatsGivePlanesOfRedGreenAndBlue(MLPixelFormat format)
    {
        using MLImage image = TestImages.Image(2, 1, (x, _) => x == 0 ? new SKColor(1, 2, 3) : new SKColor(4, 5, 6), format);
        CollectionAssert.AreEqual(new byte[] { 1, 4, 2, 5, 3, 6 }, ReadFirst(MLImages(image), 2, 1));
    }

    [TestMethod]
    public void AnMLImageIsReadAsTheFileItCameFrom()
    {
        byte[] file = TestImages.Encode(50, 30, (x, y) => new SKColor((byte)(5 * x), (byte)(8 * y), 40, (byte)(255 - x)));
        using MLImage image = MLImage.CreateFromStream(new MemoryStream(file));
        EncodedImageTests.AssertNear(ReadFirst(Files(file), 16, 16), ReadFirst(MLImages(image), 16, 16), 0);
        EncodedImageTests.AssertNear(ReadFirst(Files(file), 16, 16, 1), ReadFirst(MLImages(image), 16, 16, 1), 0);
    }

    [TestMethod]
    public void ImagesStayUsableAfterReading()
    {
        using MLImage image = TestImages.Image(2, 1, (_, _) => SKColors.Red);
        ReadFirst(MLImages(image, image));
        Assert.AreEqual(2, image.Width);
    }

    [TestMethod]
    public void AMissingOrDisposedImageIsAnError()
    {
        MLImage image = TestImages.Image(2, 1, (_, _) => SKColors.Red);
        StringAssert.Contains(ErrorOf(MLImages(image, null)), "Column 'Image', row 1 (counting from 0): there is no image");
        image.Dispose();
        StringAssert.Contains(ErrorOf(MLImages(image)), "row 0 (counting from 0): the image is disposed");
    }

    [TestMethod]
    public void AnUndecodableFileBehindLoadImagesIsAnErrorWithItsPath()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, "not an image");
            IDataView paths = View(new FileRow { ImagePath = path });
            IDataView data = Context.Transforms.LoadImages("Image", null, "ImagePath").Fit(paths).Transform(paths);
            StringAssert.Contains(ErrorOf(data), $"row 0 (counting from 0), '{path}': the image could not be read.");
        }
        finally
        {
            File.Delete(path);
        }
    }
}
