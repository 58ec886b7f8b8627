using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
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
    [DataRow(MLPixelFormat.Bgra32, new byte[] { 3, 2, 1, 0, 6, 5, 4, 0 }, new byte[] { 1, 2, 3, 4, 5, 6 }, DisplayName = "fourth byte 0")]
    [DataRow(MLPixelFormat.Rgba32, new byte[] { 3, 2, 1, 0, 6, 5, 4, 0 }, new byte[] { 3, 2, 1, 6, 5, 4 }, DisplayName = "red first")]
    [DataRow(MLPixelFormat.Bgra32, new byte[] { 3, 2, 1, 7, 6, 5, 4, 2 }, new byte[] { 1, 2, 3, 4, 5, 6 },
        DisplayName = "fourth byte of noise")]
    [DataRow(MLPixelFormat.Bgra32, new byte[] { 0, 0, 0, 0, 0, 0, 0, 0 }, new byte[] { 0, 0, 0, 0, 0, 0 },
        DisplayName = "black, fourth byte 0")]
    [DataRow(MLPixelFormat.Bgra32, new byte[] { 3, 2, 1, 255, 6, 5, 4, 255 }, new byte[] { 1, 2, 3, 4, 5, 6 }, DisplayName = "opaque")]
    [DataRow(MLPixelFormat.Bgra32, new byte[] { 30, 20, 10, 51, 0, 0, 0, 0 }, new byte[] { 214, 224, 234, 255, 255, 255 },
        DisplayName = "transparent")]
    public void AFourthByteIsTransparencyOnlyWhereItCanBe(MLPixelFormat format, byte[] pixels, byte[] expected)
    {
        for (int copies = 1; copies <= 9; copies += 4) // short of a vector, with a rest, and several
        {
            byte[] row = [.. Enumerable.Repeat(pixels, copies).SelectMany(all => all)];
            using MLImage image = MLImage.CreateFromPixels(2 * copies, 1, format, row);
            byte[] planes = ReadFirst(MLImages(image), 2 * copies, 1);
            for (int x = 0; x < 2 * copies; x++)
            {
                for (int channel = 0; channel < 3; channel++)
                    Assert.AreEqual(expected[(3 * (x % 2)) + channel], planes[(channel * 2 * copies) + x], $"{copies}, {x}, {channel}");
            }
        }
    }

    [TestMethod]
    public void AnImageWithoutTransparencyGivesWhatExtractPixelsGives()
    {
        var random = new Random(1);
        byte[] pixels = new byte[4 * 5 * 2];
        random.NextBytes(pixels);
        using MLImage image = MLImage.CreateFromPixels(5, 2, MLPixelFormat.Bgra32, pixels);
        IDataView data = MLImages(image);
        byte[] ours = ReadFirst(data, 5, 2); // first: ExtractPixels disposes the image
        IDataView extracted = Context.Transforms.ExtractPixels("Pixels", "Image").Fit(data).Transform(data);
        CollectionAssert.AreEqual(extracted.GetColumn<float[]>("Pixels").Single().Select(value => (byte)value).ToArray(), ours);
    }

    [TestMethod]
    [DataRow(ImageResizingEstimator.ResizingKind.IsoPad, 20, 30)]
    [DataRow(ImageResizingEstimator.ResizingKind.IsoPad, 30, 20)]
    [DataRow(ImageResizingEstimator.ResizingKind.IsoPad, 64, 63)]
    [DataRow(ImageResizingEstimator.ResizingKind.IsoPad, 100, 97)]
    [DataRow(ImageResizingEstimator.ResizingKind.IsoCrop, 20, 31)]
    [DataRow(ImageResizingEstimator.ResizingKind.IsoCrop, 101, 20)]
    [DataRow(ImageResizingEstimator.ResizingKind.Fill, 20, 31)]
    public void WhatMLNetPadsOrCropsIsReadAsItsOwnPixelsAre(ImageResizingEstimator.ResizingKind kind, int width, int height)
    {
        byte[] file = TestImages.Encode(width, height, (x, y) => new SKColor((byte)(100 + x), (byte)(100 + y), 200),
            SKEncodedImageFormat.Jpeg);
        IDataView Resized()
        {
            IDataView data = MLImages(MLImage.CreateFromStream(new MemoryStream(file)));
            return Context.Transforms.ResizeImages("Image", 16, 16, "Image", kind).Fit(data).Transform(data);
        }

        byte[] ours = ReadFirst(Resized(), 16, 16);
        IDataView resized = Resized(), extracted = Context.Transforms.ExtractPixels("Pixels", "Image").Fit(resized).Transform(resized);
        CollectionAssert.AreEqual(extracted.GetColumn<float[]>("Pixels").Single().Select(value => (byte)value).ToArray(), ours);
    }

    /// <summary>What ML.NET's loaders take as an image, with rows that were never decoded.</summary>
    [TestMethod]
    [DataRow(SKEncodedImageFormat.Jpeg)]
    [DataRow(SKEncodedImageFormat.Png)]
    [DataRow(SKEncodedImageFormat.Webp)]
    [DataRow(SKEncodedImageFormat.Bmp)]
    public void AnImageOfAFileThatIsCutOffIsAnError(SKEncodedImageFormat format)
    {
        byte[] file = format == SKEncodedImageFormat.Bmp ? TestImages.Bmp24(64, 64, new Random(1))
            : format == SKEncodedImageFormat.Png ? TestImages.Png(64, 64, bitDepth: 8, colorType: 2,
                [.. Enumerable.Range(0, 64 * 193).Select(i => (byte)(i % 193 == 0 ? 0 : i * i / 7))])
            : TestImages.Encode(64, 64, (x, y) => new SKColor((byte)(x * y), (byte)(x ^ y), (byte)(x + (7 * y))), format);
        using MLImage whole = MLImage.CreateFromStream(new MemoryStream(file)), cut =
            MLImage.CreateFromStream(new MemoryStream(file[..(file.Length / 2)]));
        ReadFirst(MLImages(whole), 64, 64);
        StringAssert.Contains(ErrorOf(MLImages(whole, cut)), "row 1 (counting from 0): the image is truncated: ");
        IDataView resized = MLImages(cut);
        resized = Context.Transforms.ResizeImages("Image", 32, 32, "Image", ImageResizingEstimator.ResizingKind.Fill).Fit(resized)
            .Transform(resized);
        StringAssert.Contains(ErrorOf(resized), "rows are missing");
    }

    [TestMethod]
    public void TransparentRowsAreNoMissingRows()
    {
        byte[] file = TestImages.Encode(20, 20, (_, y) => y < 8 ? SKColors.Red : SKColors.Transparent);
        using MLImage image = MLImage.CreateFromStream(new MemoryStream(file));
        CollectionAssert.AreEqual(ReadFile(file, 20, 20), ReadFirst(MLImages(image), 20, 20));
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
