using MLSharpness.Evidence.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Evidence;

[TestClass]
public sealed class CorruptionTests
{
    public static IEnumerable<object[]> Names => Corruption.Names.Select(name => new object[] { name });

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void EachChangesMoreWithItsStrengthAndIsTheSameEachTime(string name)
    {
        ImageSet images = Images();
        double[] changes = [.. Enumerable.Range(1, 5).Select(strength => Change(images, Corruption.Apply(images, name, strength)))];
        Assert.IsGreaterThan(0.5, changes[0]);
        Assert.IsGreaterThan(1.2 * changes[0], changes[4]);
        Assert.AreEqual(0, Change(Corruption.Apply(images, name, 3), Corruption.Apply(images, name, 3)));
        Assert.AreSame(images, Corruption.Apply(images, name, 0));
    }

    [TestMethod]
    public void BrightnessAndContrastAreThoseByHand()
    {
        var images = new ImageSet(new ImageShape(1, 1, 4), [[0, 100, 200, 250]], [0], 1);
        // 0.05 · 255 = 12.75
        CollectionAssert.AreEqual(new byte[] { 13, 113, 213, 255 }, Corruption.Apply(images, "brightness", 1).Images[0]);
        // half way to 137.5
        CollectionAssert.AreEqual(new byte[] { 69, 119, 169, 194 }, Corruption.Apply(images, "contrast", 2).Images[0]);
    }

    private static ImageSet Images() => new(
        new ImageShape(3, 16, 16),
        [
            .. Enumerable.Range(0, 4).Select(i => Enumerable.Range(0, 3 * 256)
                .Select(k => (byte)(128 + 60 * Math.Sin(0.9 * (k % 16) + i) * Math.Cos(0.7 * (k / 16 % 16)) + 20 * (k / 256))).ToArray()),
        ], [0, 1, 2, 3], 4);

    private static double Change(ImageSet a, ImageSet b) =>
        a.Images.Zip(b.Images).SelectMany(pair => pair.First.Zip(pair.Second)).Average(pair => Math.Abs(pair.First - pair.Second));
}
