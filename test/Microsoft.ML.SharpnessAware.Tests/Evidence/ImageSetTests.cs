using MLSharpness.Evidence.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Evidence;

[TestClass]
public sealed class ImageSetTests
{
    [TestMethod]
    public void LabelNoiseChangesExactlyItsShareToOtherClasses()
    {
        var images = new ImageSet(new ImageShape(1, 1, 1), [.. Enumerable.Range(0, 200).Select(_ => new byte[1])],
            [.. Enumerable.Range(0, 200).Select(i => i % 10)], 10);
        ImageSet noisy = images.WithLabelNoise(0.2, seed: 3);
        Assert.AreEqual(40, images.Labels.Zip(noisy.Labels).Count(pair => pair.First != pair.Second));
        Assert.IsTrue(noisy.Labels.All(label => label is >= 0 and < 10));
        CollectionAssert.AreEqual(noisy.Labels.ToArray(), images.WithLabelNoise(0.2, seed: 3).Labels.ToArray());
        CollectionAssert.AreNotEqual(noisy.Labels.ToArray(), images.WithLabelNoise(0.2, seed: 4).Labels.ToArray());
    }

    [TestMethod]
    public void DrawnImagesOfEachClassStayInTheirOrder()
    {
        var images = new ImageSet(new ImageShape(1, 1, 1), [.. Enumerable.Range(0, 60).Select(i => new[] { (byte)i })],
            [.. Enumerable.Range(0, 60).Select(i => i / 20)], 3);
        ImageSet drawn = images.OfEachClass(5, seed: 1);
        CollectionAssert.AreEqual(Enumerable.Range(0, 15).Select(i => i / 5).ToArray(), drawn.Labels.ToArray());
        byte[] order = [.. drawn.Images.Select(image => image[0])];
        CollectionAssert.AreEqual(order.Order().Distinct().ToArray(), order);
        CollectionAssert.AreNotEqual(order, images.OfEachClass(5, seed: 2).Images.Select(image => image[0]).ToArray());
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void PicturesHaveTheImagesPixels(int channels)
    {
        byte[] image = [.. Enumerable.Range(0, channels * 6).Select(i => (byte)(i * 13))];
        var images = new ImageSet(new ImageShape(channels, 2, 3), [image], [1], 2);
        IDataView rows = images.ToPictures(new MLContext());
        using ImageDataset read = ImageDataset.Load(rows, "Image", "Label", new ImageRequest(3, 2, 3));
        using TorchSharp.DisposeScope scope = TorchSharp.torch.NewDisposeScope();
        byte[] pixels = read.Batch(0, 1).reshape(-1).clone().bytes.ToArray();
        CollectionAssert.AreEqual(channels == 3 ? image : [.. image, .. image, .. image], pixels);
        CollectionAssert.AreEqual(new[] { 1 }, read.LabelArray());
        Assert.AreEqual(2, read.NumberOfClasses);
    }

    [TestMethod]
    public void HalvingAveragesFourPixelsAndPutsABlackBorderAround()
    {
        // Two channels of 2×4 pixels, so 1×2 without the border.
        var images = new ImageSet(new ImageShape(2, 2, 4), [[0, 4, 10, 20, 8, 4, 30, 41, 255, 255, 0, 1, 255, 255, 0, 0]], [0], 1);
        ImageSet halved = images.Halved(border: 1);
        Assert.AreEqual(new ImageShape(2, 3, 4), halved.Shape);
        CollectionAssert.AreEqual(
            new byte[] { 0, 0, 0, 0, 0, 4, 25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0 }, halved.Images[0]);
    }
}
