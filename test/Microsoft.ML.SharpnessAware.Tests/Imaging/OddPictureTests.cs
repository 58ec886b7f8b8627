using static Microsoft.ML.SharpnessAware.Tests.OddPictures;
using static Microsoft.ML.SharpnessAware.Tests.TestRows;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class OddPictureTests
{
    [TestMethod]
    public void APictureIsWhatABrowserShows()
    {
        List<string> wrong = [];
        foreach (SeenPicture picture in Good)
        {
            (int width, int height) = ImageDecoder.ReadSize(picture.File);
            if ((width, height) != (picture.Width, picture.Height))
            {
                wrong.Add($"{picture.Name}: {width} × {height}, not {picture.Width} × {picture.Height}");
                continue;
            }

            byte[] planes = Decode(picture.File);
            for (int i = 0; i < 6; i++)
            {
                int at = ((height * (1 + (2 * (i / 3))) / 4) * width) + (width * (1 + (2 * (i % 3))) / 6);
                byte[] expected = Convert.FromHexString(picture.Colors[i]);
                byte[] actual = [planes[at], planes[(width * height) + at], planes[(2 * width * height) + at]];
                if (expected.Zip(actual, (a, b) => Math.Abs(a - b)).Max() > 3)
                    wrong.Add($"{picture.Name}: {Convert.ToHexStringLower(actual)} at place {i}, not {picture.Colors[i]}");
            }
        }

        Assert.IsEmpty(wrong, string.Join(Environment.NewLine, wrong));
    }

    [TestMethod]
    [DataRow("text.jpg", "the 620 bytes are not an image (png, jpg, gif, bmp, webp or ico) but text.")]
    [DataRow("html.jpg", "but text")]
    [DataRow("svg.png", "but text")]
    [DataRow("lfs.jpg", "but a pointer of Git LFS; get the file itself with git lfs pull.")]
    [DataRow("heic.jpg", "but a HEIC image; save it as JPEG or PNG.")]
    [DataRow("avif.jpg", "but an AVIF image; save it as JPEG or PNG.")]
    [DataRow("tiff.tif", "but a TIFF image or a raw photograph; save it as JPEG or PNG.")]
    [DataRow("jp2.jpg", "but a JPEG 2000 image; save it as JPEG or PNG.")]
    [DataRow("jxl.jpg", "but a JPEG XL image; save it as JPEG or PNG.")]
    [DataRow("psd.jpg", "but a Photoshop image; save it as JPEG or PNG.")]
    [DataRow("pdf.jpg", "but a PDF file")]
    [DataRow("gz.png", "but a packed file")]
    [DataRow("empty.jpg", "the image is empty (no bytes)")]
    [DataRow("sig.png", "the 8 bytes begin like a PNG image, but are too few of one or damaged.")]
    [DataRow("soi.jpg", "the 3 bytes begin like a JPEG image, but are too few of one or damaged.")]
    [DataRow("noframe.gif", "begin like a GIF image")]
    [DataRow("bmp-jpeg.bmp", "begin like a BMP image")]
    [DataRow("twelvebit.jpg", "are a JPEG image of 12 bits a colour, which is not read; save it as JPEG of the usual kind or PNG.")]
    [DataRow("lossless.jpg", "are a JPEG image of the lossless kind, which is not read")]
    [DataRow("height0.jpg", "are a JPEG image whose height is not in its header, which is not read")]
    [DataRow("two-components.jpg", "are a JPEG image of 2 colour components, which is not read")]
    [DataRow("noeoi.jpg", "the image is truncated")]
    [DataRow("cut-before-exif.webp", "the image is truncated: the file has 150 bytes of 160.")]
    [DataRow("cut-before-exif.png", "the image is truncated: the file ends before its last part (IEND).")]
    [DataRow("cut-before-end.png", "the image is truncated: the file ends before its last part (IEND).")]
    [DataRow("cut-before-second.ico", "the image is truncated: one of its 2 sizes lies beyond the end of the file.")]
    [DataRow("nopal.gif", "the image is damaged: it has no colours.")]
    [DataRow("bomb.png", "at most 100 million")]
    [DataRow("bomb.gif", "at most 100 million")]
    [DataRow("shortdata.gif", "damaged")]
    [DataRow("shortdata-i2.png", "truncated")]
    [DataRow("lossless-short2.webp", "damaged")]
    public void AFileThatCannotBeUsedIsAnErrorThatSaysWhatItIs(string name, string says) =>
        StringAssert.Contains(ErrorOf(Files(Bad.Single(file => file.Name == name).File)), says);

    [TestMethod]
    public void EveryBadFileIsAnErrorWithItsRow()
    {
        foreach ((string name, byte[] file) in Bad)
            StringAssert.Contains(ErrorOf(Files(file)), "row 0 (counting from 0): the ", name);
    }

    [TestMethod]
    public void APictureThatIsCutIsAnErrorUnlessAllOfItIsThere()
    {
        foreach (SeenPicture picture in Good.Where(picture => picture.Width * picture.Height < 10_000))
        {
            byte[] whole = Decode(picture.File);
            int step = Math.Max(1, picture.File.Length / 50);
            for (int length = 0; length < picture.File.Length; length += step)
            {
                try
                {
                    CollectionAssert.AreEqual(whole, Decode(picture.File[..length]), $"{picture.Name}, {length} bytes");
                }
                catch (InvalidDataException)
                {
                }
            }
        }
    }

    /// <summary>A decoder lives as long as what reads with it: a prediction engine, say.</summary>
    [TestMethod]
    public void ALargePictureIsNotKept()
    {
        byte[] file = TestImages.Png(64_000, 1_100, bitDepth: 1, colorType: 0, new byte[1_100 * 8_001]), planes = new byte[64];
        var decoder = new ImageDecoder();
        long before = GC.GetTotalMemory(forceFullCollection: true);
        decoder.Decode(file, new ImageShape(1, 8, 8), planes, ResizingKind.IsoCrop); // few of whose pixels count, for speed
        Assert.IsLessThan(32 << 20, GC.GetTotalMemory(forceFullCollection: true) - before);
        GC.KeepAlive(decoder);
    }

    private static byte[] Decode(byte[] file)
    {
        (int width, int height) = ImageDecoder.ReadSize(file);
        byte[] planes = new byte[3 * width * height];
        new ImageDecoder().Decode(file, new ImageShape(3, height, width), planes);
        return planes;
    }
}
