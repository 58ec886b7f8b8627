namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class RandomResizedCropTests
{
    [TestMethod]
    public void PartsLieInTheImageAndHaveTheSharesAndRatiosAskedFor()
    {
        var random = new Random(1);
        var crop = new RandomResizedCrop(0.2, 0.45, 2);
        PixelBox[] boxes = [.. Enumerable.Range(0, 2000).Select(_ => crop.Draw(random, 200, 200))];
        foreach (PixelBox box in boxes)
        {
            Assert.IsTrue(box is { Left: >= 0, Top: >= 0, Right: <= 200, Bottom: <= 200 }, box.ToString());
            Assert.IsInRange(0.195, 0.455, box.Width * box.Height / 40000.0);
            Assert.IsInRange(0.49, 2.04, (double)box.Width / box.Height);
        }

        Assert.AreEqual(0.325, boxes.Average(box => box.Width * box.Height / 40000.0), 0.01, "shares are drawn evenly");
        Assert.IsGreaterThan(1.8, boxes.Max(box => (double)box.Width / box.Height));
        Assert.IsLessThan(0.55, boxes.Min(box => (double)box.Width / box.Height));
        Assert.AreEqual(0, boxes.Min(box => box.Left));
        Assert.AreEqual(200, boxes.Max(box => box.Right));
        Assert.AreEqual(200, boxes.Max(box => box.Bottom));
    }

    [TestMethod]
    public void LogarithmsOfRatiosAreDrawnEvenly()
    {
        var random = new Random(1);
        double[] ratios = [.. Enumerable.Range(0, 4000).Select(_ => new RandomResizedCrop(0.1, 0.1, 4).Draw(random, 1000, 1000))
            .Select(box => Math.Log((double)box.Width / box.Height) / Math.Log(4))];
        Assert.AreEqual(0, ratios.Average(), 0.03);
        Assert.AreEqual(1.0 / 3, ratios.Average(ratio => ratio * ratio), 0.02);
    }

    [TestMethod]
    public void WhereNothingFitsItIsTheLargestPartInTheMiddle()
    {
        Assert.AreEqual(PixelBox.Of(43, 0, 13, 10), new RandomResizedCrop(1, 1).Draw(new Random(1), 100, 10));
        Assert.AreEqual(PixelBox.Of(0, 43, 10, 13), new RandomResizedCrop(1, 1).Draw(new Random(1), 10, 100));
    }

    [TestMethod]
    public void ScaleOneAndRatioOneIsTheWholeSquare() =>
        Assert.AreEqual(PixelBox.Of(0, 0, 28, 28), new RandomResizedCrop(1, 1, 1).Draw(new Random(1), 28, 28));
}
