using SkiaSharp;
using static Microsoft.ML.SharpnessAware.Tests.TestRows;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class ExifOrientationTests
{
    // The stored image has its corners red, green / blue, white; EXIF names the sides where its top row and left column are to be seen.
    [TestMethod]
    [DataRow(1, "RG/BW")]
    [DataRow(2, "GR/WB")]
    [DataRow(3, "WB/GR")]
    [DataRow(4, "BW/RG")]
    [DataRow(5, "RB/GW")]
    [DataRow(6, "BR/WG")]
    [DataRow(7, "WG/BR")]
    [DataRow(8, "GW/RB")]
    public void CornersAreWhereTheCameraSaysTheyAre(int orientation, string seen)
    {
        byte[] jpeg = Corners(SKEncodedImageFormat.Jpeg), png = Corners(SKEncodedImageFormat.Png), webp =
            Corners(SKEncodedImageFormat.Webp);
        (int width, int height) = orientation >= 5 ? (16, 32) : (32, 16);
        byte value = (byte)orientation;
        foreach (bool bigEndian in new[] { false, true })
        {
            AssertSeen(TestImages.WithOrientation(jpeg, value, bigEndian));
            foreach (bool other in new[] { false, true })
            {
                AssertSeen(TestImages.WithPngOrientation(png, value, bigEndian, afterPixels: other));
                AssertSeen(TestImages.WithPngOrientation(png, value, bigEndian, prefix: other));
                AssertSeen(TestImages.WithWebpOrientation(webp, 32, 16, value, bigEndian, prefix: other));
            }
        }

        void AssertSeen(byte[] file)
        {
            Assert.AreEqual((width, height), ImageDecoder.ReadSize(file));
            byte[] planes = ReadFile(file, width, height);
            Assert.AreEqual(seen, $"{Color(2, 2)}{Color(width - 3, 2)}/{Color(2, height - 3)}{Color(width - 3, height - 3)}");

            char Color(int x, int y)
            {
                int i = (y * width) + x;
                return (planes[i] > 128, planes[512 + i] > 128, planes[1024 + i] > 128) switch
                {
                    (true, false, false) => 'R',
                    (false, true, false) => 'G',
                    (false, false, true) => 'B',
                    _ => 'W',
                };
            }
        }
    }

    /// <summary>Cameras write their make and model before it.</summary>
    [TestMethod]
    public void TheOrientationIsFoundBehindOtherEntries()
    {
        byte[] little =
        [
            .. "II*\0"u8, 8, 0, 0, 0, 3, 0,
            0x0F, 1, 2, 0, 4, 0, 0, 0, .. "abc\0"u8,
            0x10, 1, 2, 0, 4, 0, 0, 0, .. "def\0"u8,
            0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0,
        ];
        byte[] big =
        [
            .. "MM\0*"u8, 0, 0, 0, 8, 0, 3,
            1, 0x0F, 0, 2, 0, 0, 0, 4, .. "abc\0"u8,
            1, 0x10, 0, 2, 0, 0, 0, 4, .. "def\0"u8,
            1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0,
        ];
        byte[] jpeg = Corners(SKEncodedImageFormat.Jpeg);
        foreach (byte[] tiff in new[] { little, big })
        {
            byte[] file = [.. jpeg[..2], 0xFF, 0xE1, 0, (byte)(8 + tiff.Length), .. "Exif\0\0"u8, .. tiff, .. jpeg[2..]];
            Assert.AreEqual(SKEncodedOrigin.RightTop, ExifOrientation.Of(file));
        }
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(9)]
    [DataRow(255)]
    public void AnOrientationThatThereIsNotIsNone(int orientation)
    {
        byte[] png = Corners(SKEncodedImageFormat.Png);
        Assert.AreEqual(SKEncodedOrigin.TopLeft, ExifOrientation.Of(TestImages.WithPngOrientation(png, (byte)orientation)));
        Assert.AreEqual(SKEncodedOrigin.TopLeft, ExifOrientation.Of(png));
    }

    /// <summary>Whatever is in the bytes, they have an orientation, if only the usual one.</summary>
    [TestMethod]
    public void AFileThatIsCutOrDamagedHasAnOrientation()
    {
        var random = new Random(1);
        byte[][] files =
        [
            TestImages.WithOrientation(Corners(SKEncodedImageFormat.Jpeg), 6),
                TestImages.WithPngOrientation(Corners(SKEncodedImageFormat.Png), 6, afterPixels: true),
            TestImages.WithWebpOrientation(Corners(SKEncodedImageFormat.Webp), 32, 16, 6),
        ];
        foreach (byte[] file in files)
        {
            Assert.AreEqual(SKEncodedOrigin.RightTop, ExifOrientation.Of(file));
            for (int length = 0; length < file.Length; length++)
                ExifOrientation.Of(file.AsSpan(0, length));
            for (int i = 0; i < 2000; i++)
            {
                byte[] damaged = [.. file];
                for (int changes = 0; changes < 4; changes++)
                    damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
                ExifOrientation.Of(damaged);
            }
        }
    }

    private static byte[] Corners(SKEncodedImageFormat format) => TestImages.Encode(32, 16, (x, y) => (x < 16, y < 8) switch
    {
        (true, true) => SKColors.Red,
        (false, true) => SKColors.Lime,
        (true, false) => SKColors.Blue,
        _ => SKColors.White,
    }, format);

    [TestMethod]
    public void ATurnedImageIsStretchedAsItIsSeen()
    {
        // 32 × 8 as stored, 8 × 32 as seen: the stored columns 0 to 31 run from top to bottom.
        byte[] stored = TestImages.EncodeGrey(32, 8, (x, _) => (byte)(8 * x), SKEncodedImageFormat.Jpeg);
        byte[] seen = ReadFile(TestImages.WithOrientation(stored, 6), 2, 4);
        EncodedImageTests.AssertNear([28, 28, 92, 92, 156, 156, 220, 220], seen, 3);
    }

    [TestMethod]
    public void ATurnedImageIsCroppedAndPaddedAsItIsSeen()
    {
        byte[] stored = TestImages.EncodeGrey(32, 8, (x, _) => (byte)(8 * x), SKEncodedImageFormat.Jpeg);
        IDataView file = Files(TestImages.WithOrientation(stored, 6));
        byte[] cropped = ReadAll<byte>(file, ImageColumn.Bind(file.Schema, "Image", new(2, 2) { Resizing = ResizingKind.IsoCrop }))
            .Images[0];
        EncodedImageTests.AssertNear([108, 108, 140, 140], cropped, 3); // rows 12 to 20 of 32
        byte[] padded = ReadAll<byte>(file, ImageColumn.Bind(file.Schema, "Image", new(3, 4) { Resizing = ResizingKind.IsoPad })).Images[0];
        EncodedImageTests.AssertNear([0, 28, 0, 0, 92, 0, 0, 156, 0, 0, 220, 0], padded, 3);
    }

    /// <summary>Also where padding leaves one pixel more at one side than at the other.</summary>
    [TestMethod]
    [DataRow(ResizingKind.Fill)]
    [DataRow(ResizingKind.IsoCrop)]
    [DataRow(ResizingKind.IsoPad)]
    public void ATurnedImageIsResizedAsTheSameImageThatNeedsNoTurning(ResizingKind resizing)
    {
        byte[] stored = TestImages.Encode(24, 16, (x, y) =>
            new SKColor((byte)(50 + (8 * x)), (byte)(60 + (9 * y)), (byte)(90 + (5 * x) - y)));
        for (byte orientation = 1; orientation <= 8; orientation++)
        {
            byte[] turned = TestImages.WithPngOrientation(stored, orientation);
            (int width, int height) = ImageDecoder.ReadSize(turned);
            byte[] seen = ReadFile(turned, width, height);
            byte[] upright = TestImages.Encode(width, height, (x, y) => new SKColor(seen[(y * width) + x], seen[384 + (y * width) + x],
                seen[768 + (y * width) + x]));
            foreach ((int w, int h) in new[] { (14, 12), (12, 14), (13, 5), (5, 13) })
                EncodedImageTests.AssertNear(Read(upright, w, h), Read(turned, w, h), 1);
        }

        byte[] Read(byte[] file, int width, int height)
        {
            byte[] planes = new byte[3 * width * height];
            new ImageDecoder().Decode(file, new ImageShape(3, height, width), planes, resizing);
            return planes;
        }
    }
}
