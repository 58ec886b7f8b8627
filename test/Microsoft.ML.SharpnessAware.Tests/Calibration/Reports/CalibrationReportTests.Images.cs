using System.Xml.Linq;
using Microsoft.ML.Data;
using SkiaSharp;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

// Pictures of the rows that are shown.
public sealed partial class CalibrationReportTests
{
    [TestMethod]
    public void ScoresAreReadOnceAndImagesOnlyOfTheRowsShown()
    {
        ImageRow[] rows = [.. Enumerable.Range(0, 50).Select(i => Row(i % 10 == 9 ? "dog" : "cat", .5f + i / 101f, .5f - i / 101f, 0))];
        for (int i = 0; i < rows.Length; i++)
            rows[i].Image = TestImages.Encode(4, 2, (_, _) => new SKColor((byte)(5 * i), 0, 0));
        XElement page = Save(new CalibrationReport(_mlContext).Add("m", View(rows), numberOfExamples: 2));
        Assert.IsTrue(rows.All(row => row.ScoreReads == 1), string.Join(" ", rows.Select(row => row.ScoreReads)));
        CollectionAssert.AreEqual(new[] { 0, 1, 39, 49 }, Enumerable.Range(0, 50).Where(i => rows[i].ImageReads > 0).ToArray());
        Assert.AreEqual(4, rows.Sum(row => row.ImageReads));

        SKColor[] colors = [.. Images(page).Select(image => image.Bitmap.GetPixel(0, 0))];
        CollectionAssert.AreEqual(new byte[] { 245, 195, 0, 5 }, colors.Select(color => color.Red).ToArray());
        Assert.IsEmpty(_warnings);
    }

    [TestMethod]
    public void ThumbnailsAreSmallAndInTheirProportions()
    {
        ImageRow[] rows = [Row("dog", .9f, .1f, 0), Row("dog", .8f, .2f, 0), Row("dog", .7f, .3f, 0)];
        rows[0].Image = TestImages.Encode(300, 100, (x, _) => x < 150 ? SKColors.Red : SKColors.Blue);
        rows[1].Image = TestImages.EncodeGrey(10, 20, (_, y) => (byte)(10 * y));
        rows[2].Image = TestImages.WithOrientation(
            TestImages.Encode(64, 192, (_, y) => y < 96 ? SKColors.White : SKColors.Black, SKEncodedImageFormat.Jpeg), 6);
        (XElement Element, SKBitmap Bitmap)[] images = Images(Save(new CalibrationReport(_mlContext).Add("m", View(rows))));
        CollectionAssert.AreEqual(new[] { (96, 32), (10, 20), (96, 32) },
            images.Select(image => (image.Bitmap.Width, image.Bitmap.Height)).ToArray());
        CollectionAssert.AreEqual(new[] { "96", "40", "96" }, images.Select(image => image.Element.Attribute("width")!.Value).ToArray());
        CollectionAssert.AreEqual(new[] { "32", "80", "32" }, images.Select(image => image.Element.Attribute("height")!.Value).ToArray());
        CollectionAssert.AreEqual(new[] { null, "small", null }, images.Select(image => image.Element.Attribute("class")?.Value).ToArray());
        Assert.IsGreaterThan(200, images[0].Bitmap.GetPixel(10, 16).Red);
        Assert.IsGreaterThan(200, images[0].Bitmap.GetPixel(86, 16).Blue);
        Assert.AreEqual(new SKColor(150, 150, 150), images[1].Bitmap.GetPixel(5, 15));
        Assert.IsLessThan(50, images[2].Bitmap.GetPixel(10, 16).Red);     // turned clockwise: what was below is on the left
    }

    [TestMethod]
    public void ABadImageHasTheReasonInItsPlaceAndAWarning()
    {
        ImageRow[] rows = [Row("dog", .9f, .1f, 0), Row("dog", .8f, .2f, 0), Row("dog", .7f, .3f, 0)];
        rows[0].Image = [1, 2, 3];
        rows[2].Image = TestImages.Encode(2, 2, (_, _) => SKColors.Red);
        XElement page = Save(new CalibrationReport(_mlContext).Add("m", View(rows)));
        string[] reasons = [.. page.Descendants("div").Where(div => div.Attribute("class")?.Value == "noimage").Select(div => div.Value)];
        Assert.HasCount(2, reasons);
        StringAssert.StartsWith(reasons[0], "No image: the 3 bytes are not an image");
        StringAssert.Contains(reasons[1], "empty");
        Assert.HasCount(1, Images(page));
        Assert.HasCount(2, _warnings);
        StringAssert.Contains(_warnings[0], "the image of row 0 (counted from 0) of column 'Image', 'pictures/0.png': the 3 bytes");
    }

    [TestMethod]
    public void EveryKindOfImageColumnIsFound()
    {
        Assert.HasCount(1, Images(Save(Report(new MLImageExample { Image = TestImages.Image(2, 5, (_, _) => SKColors.Lime) }))));
        Assert.AreEqual(SKColors.Lime, Pixel());
        Save(Report(new PlanesExample { Image = [10, 20, 30, 40, 50, 60] }));
        Assert.AreEqual(new SKColor(20, 40, 60), Pixel());
        Save(Report(new FloatExample { Image = [0, .2f, 0, .4f, 0, 1] }));
        Assert.AreEqual(new SKColor(51, 102, 255), Pixel());
        Save(Report(new FloatExample { Image = [-1, 1, -1, 0, -1, 1] }));
        Assert.AreEqual(new SKColor(255, 128, 255), Pixel());
        Save(Report(new FloatExample { Image = [0, 51, 0, 102, 0, 204] }));
        Assert.AreEqual(new SKColor(51, 102, 204), Pixel(), "floats from 0 to 255 are as they are");
        Save(Report(new FloatExample { Image = [40, 51, 40, 102, 40, 255] }));
        Assert.AreEqual(new SKColor(51, 102, 255), Pixel());
        Save(Report(new ChannelsLastExample { Image = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120] }));
        Assert.AreEqual(new SKColor(100, 110, 120), Pixel());
        Save(Report(new TwoKindsExample
        {
            Planes = [10, 20, 30, 40, 50, 60], Picture = TestImages.Image(2, 5, (_, _) => SKColors.Lime),
        }));
        Assert.AreEqual(SKColors.Lime, Pixel(), "of a picture and its pixels the picture");

        // A flat vector could be anything: it is taken when it is named, with its size.
        IDataView flat = _mlContext.Data.LoadFromEnumerable([new FlatExample { Pixels = [1, 2, 3, 4, 5, 77] }]);
        Assert.IsEmpty(Images(Save(new CalibrationReport(_mlContext).Add("m", flat))));
        Save(new CalibrationReport(_mlContext).Add("m", flat, imageColumnName: "Pixels", imageWidth: 3, imageHeight: 2));
        Assert.AreEqual(new SKColor(77, 77, 77), Pixel());

        CalibrationReport Report<T>(T row)
            where T : class
            => new CalibrationReport(_mlContext).Add("m", _mlContext.Data.LoadFromEnumerable([row]));

        SKColor Pixel()
        {
            SKBitmap bitmap = Images(XElement.Load(PagePath)).Single().Bitmap;
            return bitmap.GetPixel(bitmap.Width - 1, bitmap.Height - 1);
        }
    }

    [TestMethod]
    public void ImagesAndPathsCanBeLeftOutOrNamed()
    {
        ImageRow row = Row("dog", .9f, .1f, 0);
        row.Image = TestImages.Encode(2, 2, (_, _) => SKColors.Red);
        XElement page = Save(new CalibrationReport(_mlContext).Add("m", View(row), imageColumnName: "", imagePathColumnName: ""));
        Assert.AreEqual("90.0 % catis dog, given 10.0 %row 0", page.Descendants("li").Single().Value);
        Assert.AreEqual(0, row.ImageReads);
        page = Save(new CalibrationReport(_mlContext).Add("m", View(row), imageColumnName: "Image", imagePathColumnName: "Name"));
        StringAssert.EndsWith(page.Descendants("li").Single().Value, "row 0dog");
        Assert.HasCount(1, Images(page));
    }

    [TestMethod]
    public void ThePathIsFoundAsTheTrainerFindsIt()
    {
        IDataView view = View(Row("dog", .9f, .1f, 0));
        view = _mlContext.Transforms.CopyColumns("ImageSource", "Name").Append(_mlContext.Transforms.DropColumns("ImagePath"))
            .Fit(view).Transform(view);
        XElement page = Save(new CalibrationReport(_mlContext).Add("m", view, imageColumnName: ""));
        StringAssert.EndsWith(page.Descendants("li").Single().Value, "row 0dog");
    }

    /// <summary>An image of one column of pixels shows nothing.</summary>
    [TestMethod]
    public void TheFeaturesOfANetworkAreNotShownAsPictures() => Assert.IsEmpty(Images(Save(new CalibrationReport(_mlContext)
        .Add("m", _mlContext.Data.LoadFromEnumerable([new FeaturesExample { Features = new float[8] }])))));

    private static (XElement Element, SKBitmap Bitmap)[] Images(XElement page) => [.. page.Descendants("img").Select(image =>
    {
        string[] parts = image.Attribute("src")!.Value.Split(";base64,");
        Assert.IsTrue(parts[0] is "data:image/png" or "data:image/jpeg", parts[0]);
        return (image, SKBitmap.Decode(Convert.FromBase64String(parts[1])));
    })];

    private sealed class ImageRow
    {
        private byte[] _image = [];
        private float[] _score = [];

        public string Name { get; set; } = "";

        [VectorType(3)]
        public float[] Score
        {
            get
            {
                ScoreReads++;
                return _score;
            }
            set => _score = value;
        }

        public byte[] Image
        {
            get
            {
                ImageReads++;
                return _image;
            }
            set => _image = value;
        }

        public string ImagePath { get; set; } = "";

        internal int ScoreReads;
        internal int ImageReads;
    }

    private abstract class Example
    {
        [KeyType(2)]
        public uint Label { get; set; }

        [VectorType(2)]
        public float[] Score { get; set; } = [.8f, .2f];
    }

    private sealed class MLImageExample : Example
    {
        [Transforms.Image.ImageType(5, 2)]
        public MLImage? Image { get; set; }
    }

    private sealed class PlanesExample : Example
    {
        [VectorType(3, 1, 2)]
        public byte[] Image { get; set; } = [];
    }

    private sealed class FloatExample : Example
    {
        [VectorType(3, 1, 2)]
        public float[] Image { get; set; } = [];
    }

    private sealed class FeaturesExample : Example
    {
        [VectorType(8, 1, 1)]
        public float[] Features { get; set; } = [];
    }

    private sealed class ChannelsLastExample : Example
    {
        [VectorType(2, 2, 3)]
        public byte[] Image { get; set; } = [];
    }

    private sealed class TwoKindsExample : Example
    {
        [VectorType(3, 1, 2)]
        public byte[] Planes { get; set; } = [];

        [Transforms.Image.ImageType(5, 2)]
        public MLImage? Picture { get; set; }
    }

    private sealed class FlatExample : Example
    {
        [VectorType(6)]
        public byte[] Pixels { get; set; } = [];
    }
}
