using CsCheck;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class ImageScalerTests
{
    [TestMethod]
    public void WeightsOfATargetPixelAddUpToOne() =>
        Gen.Select(Gen.Int[1, 300], Gen.Int[1, 300]).Sample((source, target) =>
        {
            var weights = new AxisWeights(source, target);
            for (int i = 0; i < target; i++)
            {
                double sum = 0;
                ReadOnlySpan<float> taps = weights.Of(i, out int start);
                foreach (float weight in taps)
                    sum += weight;
                Assert.AreEqual(1, sum, 1e-5);
                Assert.IsTrue(start >= 0 && start + taps.Length <= source);
            }
        });

    [TestMethod]
    public void ShrinkingUsesEverySourcePixelEqually() =>
        Gen.Select(Gen.Int[1, 300], Gen.Int[1, 300]).Where((source, target) => source >= target).Sample((source, target) =>
        {
            var weights = new AxisWeights(source, target);
            double[] used = new double[source];
            for (int i = 0; i < target; i++)
            {
                ReadOnlySpan<float> taps = weights.Of(i, out int start);
                for (int k = 0; k < taps.Length; k++)
                    used[start + k] += taps[k];
            }

            foreach (double share in used)
                Assert.AreEqual((double)target / source, share, 1e-5);
        });

    [TestMethod]
    public void TheSameSizeIsTheSameImage() =>
        Gen.Byte.Array[35].Sample(pixels => CollectionAssert.AreEqual(pixels, Scale(pixels, 7, 5, 7, 5)));

    [TestMethod]
    [DataRow(256, 16)]
    [DataRow(250, 64)]
    [DataRow(301, 32)]
    public void ACheckerboardBecomesEvenGrey(int source, int target)
    {
        byte[] board = [.. Enumerable.Range(0, source * source).Select(i => (byte)((((i / source) ^ (i % source)) & 1) * 255))];
        double most = 128 / Math.Pow((double)source / target, 2); // the share of one source pixel that may be in excess, in both directions
        foreach (byte value in Scale(board, source, source, target, target))
            Assert.AreEqual(127.5, value, most + 1);
    }

    [TestMethod]
    public void ShrinkingAveragesTheAreaOfEachPixel()
    {
        CollectionAssert.AreEqual(new byte[] { 15, 35 }, Scale([10, 20, 30, 40, 10, 20, 30, 40], 4, 2, 2, 1));
        CollectionAssert.AreEqual(new byte[] { 20, 80 }, Scale([0, 60, 90], 3, 1, 2, 1)); // (0 + 60/2) / 1.5, (60/2 + 90) / 1.5
    }

    [TestMethod]
    public void EnlargingInterpolatesBetweenPixelCentres() =>
        CollectionAssert.AreEqual(new byte[] { 0, 25, 75, 100 }, Scale([0, 100], 2, 1, 4, 1));

    [TestMethod]
    public void OneScalerServesImagesOfManySizes()
    {
        var scaler = new ImageScaler();
        foreach (int side in new[] { 9, 3, 20, 3 })
        {
            byte[] result = new byte[3 * 4 * 4];
            byte[] flat = [.. Enumerable.Repeat((byte)99, side * side)];
            scaler.Scale(new Bitmap(flat, side, side, side, BitmapFormat.Grey), new ImageShape(3, 4, 4), result);
            Assert.IsTrue(result.All(value => value == 99));
        }
    }

    private static byte[] Scale(byte[] grey, int width, int height, int newWidth, int newHeight)
    {
        byte[] result = new byte[newWidth * newHeight];
        new ImageScaler().Scale(new Bitmap(grey, width, height, width, BitmapFormat.Grey), new ImageShape(1, newHeight, newWidth), result);
        return result;
    }
}
