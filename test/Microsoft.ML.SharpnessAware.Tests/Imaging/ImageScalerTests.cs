using CsCheck;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class ImageScalerTests
{
    [TestMethod]
    public void WeightsOfATargetPixelAddUpToOne() =>
        Gen.Select(Gen.Int[1, 300], Gen.Int[1, 300], Gen.Bool).Sample((source, target, isReduced) =>
        {
            var weights = new AxisWeights(source, target, isReduced: isReduced);
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
        Gen.Select(Gen.Int[1, 300], Gen.Int[1, 300], Gen.Bool).Where((source, target, _) => source >= target)
            .Sample((source, target, isReduced) =>
        {
            var weights = new AxisWeights(source, target, isReduced: isReduced);
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
    public void WherePixelsAreAveragesAParabolaIsAveragedExactly() =>
        Gen.Select(Gen.Int[4, 300], Gen.Int[1, 100], Gen.Double[0, 1], Gen.Double[-1, 1]).Sample((source, target, cut, linear) =>
        {
            double from = cut, length = source - (2 * cut);
            if (length < target)
                return;
            var weights = new AxisWeights(source, target, from, length, isReduced: true);
            double step = length / target;
            for (int i = 0; i < target; i++)
            {
                (double start, double end) = (from + (i * step), from + ((i + 1) * step));
                if (start < 1 || end > source - 1)
                    continue;       // the neighbours that an edge lacks are guessed
                ReadOnlySpan<float> taps = weights.Of(i, out int first);
                double sum = 0;
                for (int k = 0; k < taps.Length; k++)
                    sum += taps[k] * (Integral(first + k + 1) - Integral(first + k));
                Assert.AreEqual((Integral(end) - Integral(start)) / step, sum, 1e-5, $"{source} to {target}, {i}");
            }

            double Integral(double x) => ((x * x * x / source / source) + (linear * x * x)) / source;
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
    public void CropTakesTheMiddleOfTheRightProportion()
    {
        CollectionAssert.AreEqual(new byte[] { 20, 30 }, Scale([10, 20, 30, 40], 4, 1, 2, 1, ResizingKind.IsoCrop, 1));
        CollectionAssert.AreEqual(new byte[] { 20, 30 }, Scale([10, 20, 30, 40], 1, 4, 1, 2, ResizingKind.IsoCrop, 1));
        CollectionAssert.AreEqual(new byte[] { 25 }, Scale([10, 20, 30, 40, 10, 20, 30, 40], 4, 2, 1, 1, ResizingKind.IsoCrop, 1));
        // The middle 2 of 3 columns: halves of the outer ones.
        CollectionAssert.AreEqual(new byte[] { 30, 70 }, Scale([20, 40, 100, 20, 40, 100], 3, 2, 2, 2, ResizingKind.IsoCrop, 1)[..2]);
    }

    [TestMethod]
    public void PadFitsTheWholeImageAndLeavesBlack()
    {
        CollectionAssert.AreEqual(new byte[] { 0, 0, 15, 35, 0, 0 },
            Scale([10, 20, 30, 40, 10, 20, 30, 40], 4, 2, 2, 3, ResizingKind.IsoPad, 1));
        CollectionAssert.AreEqual(new byte[] { 0, 15, 0, 0, 35, 0 }, Scale([10, 20, 30, 40], 1, 4, 3, 2, ResizingKind.IsoPad, 1));
        CollectionAssert.AreEqual(new byte[] { 0, 7, 0, 0, 7, 0 }, Scale([7], 1, 1, 3, 1, ResizingKind.IsoPad, 2));
    }

    [TestMethod]
    public void TheRightProportionIsTheSameInEveryMode() =>
        Gen.Byte.Array[6 * 4].Sample(pixels =>
        {
            byte[] stretched = Scale(pixels, 6, 4, 3, 2, ResizingKind.Fill, 1);
            CollectionAssert.AreEqual(stretched, Scale(pixels, 6, 4, 3, 2, ResizingKind.IsoCrop, 1));
            CollectionAssert.AreEqual(stretched, Scale(pixels, 6, 4, 3, 2, ResizingKind.IsoPad, 1));
        });

    [TestMethod]
    public void EveryModeTakesEverySizeWithoutDistortion() =>
        Gen.Select(Gen.Int[1, 40], Gen.Int[1, 40], Gen.Int[1, 40], Gen.Int[1, 40]).Sample((w, h, width, height) =>
        {
            byte[] flat = [.. Enumerable.Repeat((byte)99, w * h)];
            Assert.IsTrue(Scale(flat, w, h, width, height, ResizingKind.IsoCrop, 1).All(value => value == 99));
            byte[] padded = Scale(flat, w, h, width, height, ResizingKind.IsoPad, 1);
            Assert.IsTrue(padded.All(value => value is 0 or 99));
            PixelBox box = ResizeGeometry.Of(ResizingKind.IsoPad, w, h, width, height).Target;
            Assert.AreEqual(box.Width * box.Height, padded.Count(value => value == 99));
            Assert.IsTrue(box.Width == width || box.Height == height);
            Assert.IsInRange(0.0, 1.0, Math.Min(Math.Abs(box.Width - ((double)w * box.Height / h)),
                Math.Abs(box.Height - ((double)h * box.Width / w))));
            ResizeGeometry crop = ResizeGeometry.Of(ResizingKind.IsoCrop, w, h, width, height);
            Assert.AreEqual((double)width / height, crop.Width / crop.Height, 1e-9 * width);
            Assert.IsTrue(crop.Left >= 0 && crop.Top >= 0 && crop.Left + crop.Width <= w + 1e-9 && crop.Top + crop.Height <= h + 1e-9);
        }, iter: 300);

    [TestMethod]
    public void OneScalerServesAllModesOfOneSize()
    {
        var scaler = new ImageScaler();
        byte[] result = new byte[2];
        Scale(ResizingKind.Fill, 15, 35);
        Scale(ResizingKind.IsoCrop, 20, 30);
        Scale(ResizingKind.Fill, 15, 35);

        void Scale(ResizingKind mode, params byte[] expected)
        {
            byte[] pixels = [10, 20, 30, 40];
            scaler.Scale(new Bitmap(pixels, 4, 1, 4, BitmapFormat.Grey), new ImageShape(1, 1, 2), result, mode);
            CollectionAssert.AreEqual(expected, result);
        }
    }

    [TestMethod]
    public void OneScalerServesCropsOfManyProportions()
    {
        var scaler = new ImageScaler();
        byte[] one = new byte[4], two = new byte[4];
        foreach (int width in new[] { 5, 4, 3, 2 })
        {
            byte[] pixels = [.. Enumerable.Range(0, width * 2).Select(i => (byte)(i * 20))];
            scaler.Scale(new Bitmap(pixels, width, 2, width, BitmapFormat.Grey), new ImageShape(1, 2, 2), one, ResizingKind.IsoCrop);
            new ImageScaler().Scale(new Bitmap(pixels, width, 2, width, BitmapFormat.Grey), new ImageShape(1, 2, 2), two,
                ResizingKind.IsoCrop);
            CollectionAssert.AreEqual(two, one);
        }
    }

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

    private static byte[] Scale(
        byte[] grey, int width, int height, int newWidth, int newHeight, ResizingKind mode = ResizingKind.Fill, int channels = 1)
    {
        byte[] result = [.. Enumerable.Repeat((byte)255, channels * newWidth * newHeight)]; // as left from an image before
        var shape = new ImageShape(channels, newHeight, newWidth);
        new ImageScaler().Scale(new Bitmap(grey, width, height, width, BitmapFormat.Grey), shape, result, mode);
        return result;
    }
}
