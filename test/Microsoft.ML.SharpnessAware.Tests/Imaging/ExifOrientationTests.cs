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
        byte[] stored = TestImages.Encode(32, 16, (x, y) => (x < 16, y < 8) switch
        {
            (true, true) => SKColors.Red,
            (false, true) => SKColors.Lime,
            (true, false) => SKColors.Blue,
            _ => SKColors.White,
        }, SKEncodedImageFormat.Jpeg);
        (int width, int height) = orientation >= 5 ? (16, 32) : (32, 16);
        byte[] planes = ReadFile(TestImages.WithOrientation(stored, (byte)orientation), width, height);

        string corners = $"{Color(2, 2)}{Color(width - 3, 2)}/{Color(2, height - 3)}{Color(width - 3, height - 3)}";
        Assert.AreEqual(seen, corners);

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
        byte[] cropped = ReadAll<byte>(file, ImageColumn.Bind(file.Schema, "Image", new(2, 2) { ResizeMode = ResizeMode.Crop })).Images[0];
        EncodedImageTests.AssertNear([108, 108, 140, 140], cropped, 3); // rows 12 to 20 of 32
        byte[] padded = ReadAll<byte>(file, ImageColumn.Bind(file.Schema, "Image", new(3, 4) { ResizeMode = ResizeMode.Pad })).Images[0];
        EncodedImageTests.AssertNear([0, 28, 0, 0, 92, 0, 0, 156, 0, 0, 220, 0], padded, 3);
    }
}
