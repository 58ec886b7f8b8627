using System.Xml.Linq;
using SkiaSharp;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class ReliabilityDiagramTests
{
    // The colours of the hatch lines, which nothing else in the picture has.
    private static readonly SKColor Overconfident = new(0xA3, 0x45, 0x00);
    private static readonly SKColor Underconfident = new(0x00, 0x2F, 0x4F);

    private readonly string _folder = Directory.CreateTempSubdirectory("reliability").FullName;

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void PngShowsTheKindOfGap()
    {
        SKBitmap over = SavePng(Diagram(confidence: .9f, right: 5, wrong: 5));
        SKBitmap under = SavePng(Diagram(confidence: .55f, right: 9, wrong: 1));
        Assert.AreEqual((1280, 1520), (over.Width, over.Height));
        Assert.IsGreaterThan(1000, PixelsIn(over, Overconfident, top: 170, bottom: 1010));
        Assert.AreEqual(0, PixelsIn(over, Underconfident, top: 170, bottom: 1010));
        Assert.IsGreaterThan(1000, PixelsIn(under, Underconfident, top: 170, bottom: 1010));
        Assert.AreEqual(0, PixelsIn(under, Overconfident, top: 170, bottom: 1010));
    }

    [TestMethod]
    public void PngHasTheTitleInAFontOfItsOwn()
    {
        ReliabilityDiagram diagram = Diagram(.9f, 5, 5);
        Assert.AreNotEqual(0, InkIn(SavePng(diagram), top: 10, bottom: 55));
        Assert.AreEqual(0, InkIn(SavePng(diagram, " "), top: 10, bottom: 55));
        Assert.AreNotEqual(InkIn(SavePng(diagram, "ρ = 0.05"), 10, 55), InkIn(SavePng(diagram, "Žluťoučký кот γ"), 10, 55));
    }

    [TestMethod]
    public void SvgHasTheNumbersAsTextInEveryCulture()
    {
        string[] texts = SaveSvg();
        using (new CultureScope("de-DE"))
            CollectionAssert.AreEqual(texts, SaveSvg());
        CollectionAssert.IsSubsetOf(new[]
        {
            "a < b & ß", "ECE 40.00 % · accuracy 50.0 % · mean confidence 90.0 % · N = 1,000", "Confidence", "Accuracy", "Share of rows",
            "accuracy", "overconfident", "underconfident", "perfect calibration", "share of rows", "mean confidence",
            "0.0", "0.2", "1.0", "100 %",
        }, texts);

        string[] SaveSvg()
        {
            string path = Path.Combine(_folder, "diagram.svg");
            Diagram(.9f, 500, 500).SaveSvg(path, "a < b & ß");
            XDocument svg = XDocument.Load(path);
            Assert.AreEqual("svg", svg.Root!.Name.LocalName);
            Assert.AreEqual("760", svg.Root.Attribute("height")!.Value);
            foreach (XAttribute attribute in svg.Descendants().Attributes("points"))
                Assert.IsTrue(attribute.Value.Split(' ').All(point => point.Split(',').Length == 2), attribute.Value);
            return [.. svg.Descendants().Where(element => element.Name.LocalName == "text").Select(element => element.Value)];
        }
    }

    [TestMethod]
    public void SvgHasABarForEachBinInItsPlace()
    {
        // One bin of (0.8, 1]: the plot is 0 … 1 wide, so the bar is a fifth of its frame and as high as the accuracy.
        ReliabilityDiagram diagram = CalibrationMetrics.Compute(
            CalibrationMetricsTests.TwoClasses([.9f, .9f, .9f, .9f]), [0, 0, 0, 1], 2, 5).ReliabilityDiagram;
        string path = Path.Combine(_folder, "diagram.svg");
        diagram.SaveSvg(path);
        XElement[] boxes = [.. XDocument.Load(path).Descendants().Where(element => element.Name.LocalName == "rect")];
        // The clip of the upper plot.
        XElement frame = boxes.First(box => box.Attribute("style") is null && Number(box, "width") < 640);
        XElement bar = boxes.First(box => HasFill(box, "184,212,232") && Number(box, "height") > 100);
        XElement gap = boxes.First(box => HasFill(box, "213,94,0") && Number(box, "height") > 20);
        Assert.AreEqual(Number(frame, "width") / 5, Number(bar, "width"), 0.01);
        Assert.AreEqual(Number(frame, "x") + Number(frame, "width"), Number(bar, "x") + Number(bar, "width"), 0.01);
        Assert.AreEqual(0.75, Number(bar, "height") / Number(frame, "height"), 1e-3);
        Assert.AreEqual(Number(bar, "width"), Number(gap, "width"), 0.01);
        Assert.AreEqual(0.15 / 0.75, Number(gap, "height") / Number(bar, "height"), 1e-3);
        Assert.AreEqual(Number(bar, "y"), Number(gap, "y") + Number(gap, "height"), 0.01);

        static bool HasFill(XElement box, string color)
            => box.Attribute("style")?.Value.Contains($"fill:rgb({color})", StringComparison.Ordinal) == true;

        static double Number(XElement box, string name)
            => double.Parse(box.Attribute(name)!.Value, System.Globalization.CultureInfo.InvariantCulture);
    }

    [TestMethod]
    public void FoldersAreCreatedAndPathsMayHaveAnyLetters()
    {
        string path = Path.Combine(_folder, "Žluťoučký", "図", "diagram ü.png");
        Diagram(.9f, 5, 5).SavePng(path);
        Diagram(.9f, 5, 5).SaveSvg(Path.ChangeExtension(path, "svg"));
        Assert.IsNotNull(SKBitmap.Decode(File.ReadAllBytes(path)));
        Assert.HasCount(2, Directory.GetFileSystemEntries(Path.GetDirectoryName(path)!));
    }

    [TestMethod]
    public void AnOlderPictureIsReplaced()
    {
        string path = Path.Combine(_folder, "diagram.png");
        File.WriteAllBytes(path, new byte[1_000_000]);
        Diagram(.9f, 5, 5).SavePng(path);
        Assert.IsNotNull(SKBitmap.Decode(path));
    }

    [TestMethod]
    public void AFailureLeavesNothingBehind()
    {
        string taken = Path.Combine(_folder, "taken");
        Directory.CreateDirectory(taken);
        Exception exception = Assert.Throws<Exception>(() => Diagram(.9f, 5, 5).SavePng(taken));
        Assert.IsTrue(exception is IOException or UnauthorizedAccessException, exception.ToString());
        CollectionAssert.AreEqual(new[] { taken }, Directory.GetFileSystemEntries(_folder));
        Assert.ThrowsExactly<ArgumentNullException>(() => Diagram(.9f, 5, 5).SavePng(null!));
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(500)]
    public void AnyNumberOfBinsCanBeDrawn(int bins)
    {
        ReliabilityDiagram diagram = CalibrationMetrics.Compute([.9f, .1f, .5f, .5f, 1, 0], [0, 0, 0], 2, bins).ReliabilityDiagram;
        Assert.IsNotNull(SavePng(diagram));
    }

    private static ReliabilityDiagram Diagram(float confidence, int right, int wrong)
    {
        float[] scores = CalibrationMetricsTests.TwoClasses([.. Enumerable.Repeat(confidence, right + wrong)]);
        return CalibrationMetrics.Compute(scores, [.. Enumerable.Repeat(0, right), .. Enumerable.Repeat(1, wrong)], 2).ReliabilityDiagram;
    }

    private SKBitmap SavePng(ReliabilityDiagram diagram, string? title = null)
    {
        string path = Path.Combine(_folder, "diagram.png");
        diagram.SavePng(path, title);
        return SKBitmap.Decode(path);
    }

    private static int PixelsIn(SKBitmap picture, SKColor color, int top, int bottom)
        => Pixels(picture, top, bottom).Count(pixel => pixel == color);

    private static int InkIn(SKBitmap picture, int top, int bottom) => Pixels(picture, top, bottom).Count(pixel => pixel != SKColors.White);

    private static SKColor[] Pixels(SKBitmap picture, int top, int bottom)
        => picture.Pixels[(top * picture.Width)..(bottom * picture.Width)];
}
