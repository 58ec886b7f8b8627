namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class OnnxClassifierTests
{
    [TestMethod]
    [DataRow(3, 32, 32, 64, 1024)]
    [DataRow(3, 224, 224, 64, 256)]
    [DataRow(1, 28, 28, 2, 32)]
    [DataRow(3, 224, 224, null, 8)]
    [DataRow(3, 1024, 1024, 64, 21)]
    [DataRow(3, 2048, 2048, 64, 5)]
    [DataRow(3, 2048, 2048, null, 5)]
    [DataRow(3, 20_000, 20_000, 64, 1)]
    public void BatchesOfLargeImagesAreBoundedByTheirPixels(int channels, int height, int width, int? processors, int rows) =>
        Assert.AreEqual(rows, OnnxClassifier.RowsAtOnce(new ImageShape(channels, height, width), processors));
}
