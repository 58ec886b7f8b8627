using Microsoft.ML.Data;
using SkiaSharp;
using static Microsoft.ML.SharpnessAware.Tests.TestRows;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class EncodedImageTests
{
    private static readonly SKColor Orange = new(250, 130, 10);

    [TestMethod]
    [DataRow(SKEncodedImageFormat.Png, 0)]
    [DataRow(SKEncodedImageFormat.Webp, 0)]
    [DataRow(SKEncodedImageFormat.Jpeg, 3)]
    public void ColourFilesGivePlanesOfRedGreenAndBlue(SKEncodedImageFormat format, int tolerance)
    {
        byte[] planes = ReadFile(TestImages.Encode(16, 8, (x, _) => x < 8 ? Orange : SKColors.Navy, format), 16, 8);
        AssertNear([250, 130, 10], Corner(planes, 0), tolerance);
        AssertNear([0, 0, 128], Corner(planes, 127), tolerance);

        byte[] Corner(byte[] image, int i) => [image[i], image[128 + i], image[256 + i]];
    }

    [TestMethod]
    public void GifAndBmpAreRead()
    {
        byte[] gif =
        [
            .. "GIF89a"u8, 1, 0, 1, 0, 0x80, 0, 0, 250, 130, 10, 0, 0, 0, // 1 × 1, two colours
            0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3B,
        ];
        byte[] bmp =
        [
            .. "BM"u8, 58, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 24, 0, 0, 0, 0, 0, 4, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 130, 250, 0,
        ];
        CollectionAssert.AreEqual(new byte[] { 250, 130, 10 }, ReadFile(gif, 1, 1));
        CollectionAssert.AreEqual(new byte[] { 250, 130, 10 }, ReadFile(bmp, 1, 1));
    }

    [TestMethod]
    public void GreyFilesHaveOneChannelWhateverTheirFormatAndDepth()
    {
        byte[] png = ReadFile(TestImages.EncodeGrey(4, 2, (x, y) => (byte)((60 * x) + y)), 4, 2);
        CollectionAssert.AreEqual(new byte[] { 0, 60, 120, 180, 1, 61, 121, 181 }, png);

        byte[] jpeg = ReadFile(TestImages.EncodeGrey(8, 8, (_, _) => 77, SKEncodedImageFormat.Jpeg), 8, 8);
        Assert.HasCount(64, jpeg);
        AssertNear([77], jpeg[..1], 1);

        byte[] oneBit = ReadFile(TestImages.Png(3, 1, bitDepth: 1, colorType: 0, [0, 0b1010_0000]), 3, 1);
        CollectionAssert.AreEqual(new byte[] { 255, 0, 255 }, oneBit);

        byte[] sixteenBit = ReadFile(TestImages.Png(2, 1, bitDepth: 16, colorType: 0, [0, 0x12, 0x34, 0xFF, 0xFF]), 2, 1, channels: 1);
        CollectionAssert.AreEqual(new byte[] { 0x12, 255 }, sixteenBit);
    }

    [TestMethod]
    public void PaletteFilesGiveTheirColours()
    {
        byte[] png = TestImages.Png(2, 1, bitDepth: 8, colorType: 3, [0, 1, 0], palette: [10, 20, 30, 200, 100, 50]);
        CollectionAssert.AreEqual(new byte[] { 200, 10, 100, 20, 50, 30 }, ReadFile(png, 2, 1));
    }

    [TestMethod]
    public void CmykFilesGiveTheirColours()
    {
        // Without black ink the components are red, green and blue; half of black halves them.
        byte[] bright = ReadFile(TestImages.CmykJpeg(200, 60, 30, 255), 8, 8);
        AssertNear([200, 60, 30], [bright[0], bright[64], bright[128]], 1);
        byte[] dark = ReadFile(TestImages.CmykJpeg(200, 60, 128, 128), 8, 8);
        AssertNear([100, 30, 64], [dark[9], dark[73], dark[137]], 1);
        AssertNear([116], ReadFile(TestImages.CmykJpeg(100, 100, 255, 255), 8, 8, channels: 1)[..1], 2); // 0.886 · 100 + 0.114 · 255
    }

    [TestMethod]
    public void GreyWithAlphaIsLaidOverWhite()
    {
        byte[] greyAlpha = TestImages.Png(3, 1, bitDepth: 8, colorType: 4, [0, 80, 255, 80, 0, 0, 128]);
        AssertNear([80, 255, 127], ReadFile(greyAlpha, 3, 1, channels: 1), 1);
    }

    [TestMethod]
    public void TransparencyIsLaidOverWhite()
    {
        byte[] file = TestImages.Encode(3, 1, (x, _) => SKColors.Red.WithAlpha((byte)(x * 128 is 256 ? 255 : x * 128)));
        AssertNear([255, 255, 255, 255, 127, 0, 255, 127, 0], ReadFile(file, 3, 1), 1);
    }

    /// <summary>Programs that know nothing of transparency leave the fourth byte 0; then it is none.</summary>
    [TestMethod]
    public void AnAlphaThatIsZeroEverywhereIsNone()
    {
        byte[] bmp = TestImages.Bmp32(30, 20, 10, 0, 60, 50, 40, 0), icon = TestImages.Icon(30, 20, 10, 0, 60, 50, 40, 0);
        foreach (byte[] file in new[] { bmp, icon })
            CollectionAssert.AreEqual(new byte[] { 10, 40, 20, 50, 30, 60 }, ReadFile(file, 2, 1));

        byte[] half = TestImages.Bmp32(30, 20, 10, 0, 60, 50, 40, 51), halfIcon = TestImages.Icon(30, 20, 10, 0, 60, 50, 40, 51);
        foreach (byte[] file in new[] { half, halfIcon })
            // a fifth of the colour, the rest white
            CollectionAssert.AreEqual(new byte[] { 255, 212, 255, 214, 255, 216 }, ReadFile(file, 2, 1));
        byte[] clear = TestImages.Encode(2, 1, (_, _) => new SKColor(10, 20, 30, 0));
        CollectionAssert.AreEqual(new byte[] { 255, 255, 255, 255, 255, 255 }, ReadFile(clear, 2, 1));
    }

    [TestMethod]
    public void RequestedChannelsConvertGreyAndColour()
    {
        byte[] grey = TestImages.EncodeGrey(2, 1, (x, _) => (byte)(10 + x));
        CollectionAssert.AreEqual(new byte[] { 10, 11, 10, 11, 10, 11 }, ReadFile(grey, 2, 1, channels: 3));

        byte[] colours = TestImages.Encode(4, 1, (x, _) => new[] { SKColors.Red, SKColors.Lime, SKColors.Blue, SKColors.White }[x]);
        CollectionAssert.AreEqual(new byte[] { 76, 150, 29, 255 }, ReadFile(colours, 4, 1, channels: 1));
    }

    [TestMethod]
    public void ALargeJpegIsReducedWithoutAliasing()
    {
        SKColor[] colors = [SKColors.Black, SKColors.White];
        byte[] board = TestImages.Encode(1024, 512, (x, y) => colors[(x ^ y) & 1], SKEncodedImageFormat.Jpeg);
        foreach (byte value in ReadFile(board, 16, 16))
            Assert.AreEqual(128, value, 3);

        byte[] ramp = TestImages.Encode(1024, 512, (x, _) => new SKColor((byte)(x / 4), 0, 0), SKEncodedImageFormat.Jpeg);
        byte[] reduced = ReadFile(ramp, 16, 16);
        for (int x = 0; x < 16; x++)
            Assert.AreEqual(7.5 + (16 * x), reduced[x], 2, $"column {x}");
    }

    [TestMethod]
    public void AReducedJpegKeepsTheDetailThatTheTargetCanShow()
    {
        byte[] stripes = TestImages.EncodeGrey(512, 512, (x, _) => (byte)(x / 16 % 2 * 255), SKEncodedImageFormat.Jpeg);
        byte[] reduced = ReadFile(stripes, 32, 32);
        for (int x = 0; x < 32; x++)
            Assert.AreEqual(x % 2 * 255, reduced[x], 20.0, $"column {x}");
    }

    [TestMethod]
    [DataRow(ResizingKind.Fill)]
    [DataRow(ResizingKind.IsoCrop)]
    [DataRow(ResizingKind.IsoPad)]
    public void ShrinkingWhileDecodingIsCloseToDecodingAllAndAveraging(ResizingKind mode)
    {
        // Much like a photograph: large shapes, an edge, and texture down to single pixels. 1200 × 900 is read at a quarter or half.
        var random = new Random(1);
        byte[] file = TestImages.EncodeGrey(1200, 900, (x, y) => (byte)Math.Clamp(
            128 + (70 * Math.Sin(x / 90.0) * Math.Cos(y / 70.0)) + ((x + (2 * y)) % 700 < 350 ? 30 : -30) + random.Next(-25, 26), 0, 255),
                SKEncodedImageFormat.Jpeg);
        var shape = new ImageShape(1, 64, 64);
        byte[] reduced = new byte[64 * 64], full = new byte[64 * 64];
        new ImageDecoder().Decode(file, shape, reduced, mode);
        using SKBitmap bitmap = SKBitmap.Decode(file, new SKImageInfo(1200, 900, SKColorType.Gray8));
        new ImageScaler().Scale(new Bitmap(bitmap.GetPixelSpan(), 1200, 900, bitmap.RowBytes, BitmapFormat.Grey), shape, full, mode);
        int[] differences = [.. reduced.Zip(full, (a, b) => Math.Abs(a - b))];
        Assert.IsLessThanOrEqualTo(6, differences.Max());
        Assert.IsLessThan(0.8, differences.Average());
    }

    [TestMethod]
    public void AJpegOfLessThanSixTimesTheSizeIsAveragedWhole()
    {
        var random = new Random(2);
        byte[] noise = TestImages.EncodeGrey(95, 95, (_, _) => (byte)random.Next(256), SKEncodedImageFormat.Jpeg);
        byte[] whole = new byte[95 * 95], expected = new byte[16 * 16];
        new ImageDecoder().Decode(noise, new ImageShape(1, 95, 95), whole);
        new ImageScaler().Scale(new Bitmap(whole, 95, 95, 95, BitmapFormat.Grey), new ImageShape(1, 16, 16), expected);
        CollectionAssert.AreEqual(expected, ReadFile(noise, 16, 16));
    }

    [TestMethod]
    [DataRow(16, 1)]
    [DataRow(32, 2)]
    [DataRow(96, 8)]
    public void AReducedJpegIsTheAverageOfItsBlocks(int target, int tolerance)
    {
        // Targets that end where blocks end: nothing is left but rounding.
        var random = new Random(3);
        byte[] noise = TestImages.EncodeGrey(768, 768, (_, _) => (byte)random.Next(256), SKEncodedImageFormat.Jpeg);
        byte[] whole = new byte[768 * 768], expected = new byte[target * target];
        new ImageDecoder().Decode(noise, new ImageShape(1, 768, 768), whole);
        new ImageScaler().Scale(new Bitmap(whole, 768, 768, 768, BitmapFormat.Grey), new ImageShape(1, target, target), expected);
        byte[] reduced = ReadFile(noise, target, target);
        Assert.IsLessThanOrEqualTo(tolerance, expected.Zip(reduced, (a, b) => Math.Abs(a - b)).Max());
    }

    [TestMethod]
    public void AnEmptyImageIsAnErrorWithItsPath()
    {
        byte[] good = TestImages.Encode(2, 2, (_, _) => Orange);
        IDataView data = View(new FileRow { Image = good }, new FileRow { Image = [], ImagePath = "cats/7.png" });
        StringAssert.Contains(ErrorOf(data), "row 1 (counting from 0), 'cats/7.png': the image is empty");
        StringAssert.Contains(ErrorOf(Files([null])), "row 0 (counting from 0): the image is empty");
    }

    [TestMethod]
    public void BytesThatAreNoImageAreAnError() =>
        StringAssert.Contains(ErrorOf(Files("not an image"u8.ToArray()), new(channels: 3)), "the 12 bytes are not an image");

    [TestMethod]
    [DataRow(SKEncodedImageFormat.Jpeg)]
    [DataRow(SKEncodedImageFormat.Png)]
    [DataRow(SKEncodedImageFormat.Webp)]
    [DataRow(SKEncodedImageFormat.Gif)]
    [DataRow(SKEncodedImageFormat.Bmp)]
    public void AnImageCutAnywhereIsAnErrorAndNeverHalfAnImage(SKEncodedImageFormat format)
    {
        var random = new Random(1);
        byte[] file = format switch // SkiaSharp writes neither GIF nor BMP
        {
            SKEncodedImageFormat.Gif => TestImages.Gif(40, 40, random),
            SKEncodedImageFormat.Bmp => TestImages.Bmp24(40, 40, random),
            _ => TestImages.Encode(40, 40, (_, _) => new SKColor((uint)random.Next() | 0xFF000000), format),
        };
        ReadFile(file, 40, 40, 3);
        for (int percent = 0; percent < 95; percent += 5)
        {
            string message = ErrorOf(Files(file[..(file.Length * percent / 100)]));
            Assert.IsTrue(new[] { "truncated", "too few", "empty", "damaged" }.Any(message.Contains), message);
        }

        StringAssert.Contains(ErrorOf(Files(file[..(file.Length * 9 / 10)])), format == SKEncodedImageFormat.Webp ? "Column" : "truncated");
    }

    [TestMethod]
    public void ADamagedImageIsAnError()
    {
        byte[] file = TestImages.Encode(40, 40, (x, y) => new SKColor((byte)(x * y), (byte)(x ^ y), (byte)(x + y)));
        file.AsSpan(file.Length / 2, 20).Fill(0xEE);
        StringAssert.Contains(ErrorOf(Files(file)), "row 0 (counting from 0): the image is damaged");
    }

    [TestMethod]
    public void AnImageOfAbsurdSizeIsRefusedBeforeItIsDecoded()
    {
        byte[] bomb = TestImages.Png(60_000, 60_000, bitDepth: 8, colorType: 2, [0, 1, 2]);
        long before = GC.GetAllocatedBytesForCurrentThread();
        StringAssert.Contains(ErrorOf(Files(bomb)), "60000 × 60000 pixels; at most 100 million");
        Assert.IsLessThan(10_000_000, GC.GetAllocatedBytesForCurrentThread() - before);
        StringAssert.Contains(ErrorOf(Files(TestImages.Png(70_000, 1, 8, 2, [0]))), "65535 a side");
    }

    [TestMethod]
    public void AFileThatCannotBeReadIsAnErrorWithItsPath()
    {
        IDataView paths = View(new FileRow { ImagePath = "/nowhere/at all.png" });
        IDataView data = Context.Transforms.LoadRawImageBytes("Image", null, "ImagePath").Fit(paths).Transform(paths);
        string message = ErrorOf(data);
        StringAssert.Contains(message, "/nowhere/at all.png");
        StringAssert.Contains(message, "Column 'Image', row 0 (counting from 0) or later: the image could not be read. Could not find");
    }

    [TestMethod]
    public void SparseBytesAreReadAsDense()
    {
        byte[] file = TestImages.EncodeGrey(2, 1, (x, _) => (byte)(10 + x));
        int[] indices = [.. Enumerable.Range(0, file.Length).Where(i => file[i] != 0)];
        var sparse = new VBuffer<byte>(file.Length, indices.Length, [.. indices.Select(i => file[i])], indices);
        IDataView data = View(new PixelRow<byte> { Image = sparse });
        CollectionAssert.AreEqual(new byte[] { 10, 11 }, ReadFirst(data, 2, 1));
    }

    internal static void AssertNear(byte[] expected, byte[] actual, int tolerance)
    {
        Assert.HasCount(expected.Length, actual);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], (double)tolerance, $"value {i}");
    }
}
