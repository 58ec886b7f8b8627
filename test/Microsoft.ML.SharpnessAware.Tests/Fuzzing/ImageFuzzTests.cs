using System.Buffers.Binary;
using SkiaSharp;

namespace Microsoft.ML.SharpnessAware.Tests.Fuzzing;

[TestClass]
public sealed class ImageFuzzTests
{
    private static readonly byte[][] Png =
    [
        TestImages.Encode(9, 7, Colors), TestImages.EncodeGrey(8, 8, (x, y) => (byte)(20 * x + y)),
            TestImages.Png(4, 3, 1, 3, [0, 0x50, 0, 0xA0, 0, 0x50], [9, 8, 7, 200, 100, 50]),
        TestImages.Png(2, 2, 16, 6, new byte[2 * 17]),
    ];

    private static readonly byte[][] Jpeg =
    [
        TestImages.Encode(40, 24, Colors, SKEncodedImageFormat.Jpeg),
            TestImages.EncodeGrey(17, 33, (x, y) => (byte)(x * y), SKEncodedImageFormat.Jpeg),
        TestImages.WithOrientation(TestImages.Encode(20, 12, Colors, SKEncodedImageFormat.Jpeg), 6), TestImages.CmykJpeg(0, 255, 0, 255),
    ];

    private static readonly byte[][] Webp =
    [
        TestImages.Encode(9, 7, Colors, SKEncodedImageFormat.Webp),
            TestImages.Encode(30, 20, (x, y) => new SKColor((byte)x, (byte)y, 0), SKEncodedImageFormat.Webp),
    ];

    private static readonly byte[][] Gif =
    [
        [
            .. "GIF89a"u8, 2, 0, 2, 0, 0x80, 0, 0, 255, 255, 255, 0, 0, 0, 0x21, 0xF9, 4, 1, 0, 0, 0, 0,
            0x2C, 0, 0, 0, 0, 2, 0, 2, 0, 0, 2, 3, 0x44, 0x34, 0x05, 0, 0x3B,
        ],
    ];

    private static readonly byte[][] Bmp =
    [
        [
            .. "BM"u8, 70, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 24, 0, .. new byte[24],
            1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0,
        ],
    ];

    private static readonly byte[][] Ico =
    [
        [0, 0, 1, 0, 1, 0, 9, 7, 0, 0, 1, 0, 32, 0, .. BitConverter.GetBytes(Png[0].Length), 22, 0, 0, 0, .. Png[0]],
    ];

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    [DataRow("PNG")]
    [DataRow("JPEG")]
    [DataRow("WebP")]
    [DataRow("GIF")]
    [DataRow("BMP")]
    [DataRow("ICO")]
    public void ImagesLoadOrAreRefusedWithTheirRow(string format)
    {
        byte[][] valid = format switch { "PNG" => Png, "JPEG" => Jpeg, "WebP" => Webp, "GIF" => Gif, "BMP" => Bmp, _ => Ico };
        var fuzzing = new ReaderFuzzer(TestContext, format)
        {
            Documented = e => e.GetType() == typeof(InvalidOperationException) && e.Message.Contains("row 0", StringComparison.Ordinal),
            ConstantBytes = (4 * ImageDecoder.MaxPixels) + (64 << 20),
        };
        fuzzing.Run(
            valid,
            random => format == "PNG" && random.Next(2) == 0 ? WithChecksums(ReaderFuzzer.Mutant(random, valid))
                : ReaderFuzzer.Mutant(random, valid),
            file =>
            {
                IDataView data = TestRows.Files(file);
                var request = new ImageRequest(new ImageShape(file.Length % 2 == 0 ? 3 : 1, 8, 10), (ResizingKind)(file.Length % 3));
                using ImageDataset dataset = ImageDataset.Load(data, "Image", "Label", request);
            });
    }

    [TestMethod]
    public void ALargeClaimInASmallFileIsRefusedBeforeAnythingIsAllocated()
    {
        byte[][] files =
        [
            TestImages.Png(65_500, 65_500, 8, 6, []), TestImages.Png(int.MaxValue, int.MaxValue, 8, 2, []),
                TestImages.Png(10_001, 10_000, 8, 0, []),
            WithSize(Bmp[0], 18, 65_500), WithSize(Gif[0], 6, 65_500), WithJpegSize(Jpeg[0], 65_500),
        ];
        for (int i = 0; i < files.Length; i++)
        {
            IDataView data = TestRows.View(new FileRow { Image = files[i], ImagePath = "large/claim.png" });
            long before = GC.GetAllocatedBytesForCurrentThread();
            string message = Assert.ThrowsExactly<InvalidOperationException>(
                () => ImageDataset.Load(data, "Image", "Label", new ImageRequest(8, 8, 3)).Dispose(), $"file {i}").Message;
            Assert.IsLessThan(4L << 20, GC.GetAllocatedBytesForCurrentThread() - before);
            StringAssert.Contains(message, "row 0");
            if (i is not 1) // which is no PNG file at all
                StringAssert.Contains(message, "at most 100 million");
        }
    }

    [TestMethod]
    public void AVeryTallImageTakesNoMoreThanItsPixelsAndItsResult()
    {
        byte[] file = TestImages.Png(1, 60_000, 8, 2, new byte[60_000 * 4]);
        long before = GC.GetAllocatedBytesForCurrentThread();
        TestRows.ReadFirst(TestRows.Files(file), 1000, 1000, 3);
        Assert.IsLessThan(16 << 20, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    /// <summary>What SkiaSharp knows besides (raw photographs, for example) is never tried: its decoders would see untrusted bytes for
    /// nothing.</summary>
    [TestMethod]
    public void OnlyTheFormatsThatAreDocumentedReachADecoder()
    {
        byte[] dng = [.. "II*\0"u8, 8, 0, 0, 0, .. new byte[200]];
        byte[] wbmp = [0, 0, 8, 8, 1, 2, 3, 4, 5, 6, 7, 8];
        foreach (byte[] file in new[] { dng, wbmp })
            StringAssert.Contains(TestRows.ErrorOf(TestRows.Files(file), new ImageRequest(8, 8, 3)), "are not an image");
    }

    private static SKColor Colors(int x, int y) => new((byte)(25 * x), (byte)(30 * y), (byte)(x ^ y), (byte)(x == 1 ? 128 : 255));

    private static byte[] WithSize(byte[] file, int at, ushort side)
    {
        byte[] changed = [.. file];
        int step = at == 6 ? 2 : 4;
        BinaryPrimitives.WriteUInt16LittleEndian(changed.AsSpan(at), side);
        BinaryPrimitives.WriteUInt16LittleEndian(changed.AsSpan(at + step), side);
        return changed;
    }

    private static byte[] WithJpegSize(byte[] file, ushort side)
    {
        byte[] changed = [.. file];
        int frame = changed.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xFF, 0xC0]);
        BinaryPrimitives.WriteUInt16BigEndian(changed.AsSpan(frame + 5), side);
        BinaryPrimitives.WriteUInt16BigEndian(changed.AsSpan(frame + 7), side);
        return changed;
    }

    /// <summary>The PNG file with the checksum of every chunk made right, so that what is in the chunks is read.</summary>
    private static byte[] WithChecksums(byte[] file)
    {
        for (int at = 8; at + 12 <= file.Length;)
        {
            long length = BinaryPrimitives.ReadUInt32BigEndian(file.AsSpan(at));
            if (at + 12 + length > file.Length)
                break;
            uint crc = TestImages.Crc(file.AsSpan(at + 4, 4 + (int)length));
            BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(at + 8 + (int)length), crc);
            at += 12 + (int)length;
        }

        return file;
    }
}
