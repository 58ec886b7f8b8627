using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class ColorOperationTests
{
    [TestMethod]
    public void BrightnessMultipliesAndClips() => AssertGrey(ColorOperations.Brightness, 2, [0, 0.25f, 0.5f, 0.75f], [0, 0.5f, 1, 1]);

    [TestMethod]
    public void ContrastMovesFromTheMean() => AssertGrey(ColorOperations.Contrast, 0.5, [0, 0.2f, 0.4f, 1], [0.2f, 0.3f, 0.4f, 0.7f]);

    [TestMethod]
    public void ContrastTakesTheMeanOfTheLuma()
    {
        // Mean grey (0.299 + 0.587) / 2 = 0.443; with factor 0 that is all there is.
        AssertColors(ColorOperations.Contrast, 0, [(1, 0, 0), (0, 1, 0)], [(0.443f, 0.443f, 0.443f), (0.443f, 0.443f, 0.443f)]);
        AssertColors(ColorOperations.Contrast, 2, [(1, 0, 0), (0, 0.4f, 0)], [(1, 0, 0), (0, 0.5331f, 0)]); // mean 0.2669
    }

    [TestMethod]
    public void SaturationMovesFromThePixelsOwnGrey()
    {
        AssertColors(ColorOperations.Saturation, 0, [(1, 0, 0), (0, 0, 1)], [(0.299f, 0.299f, 0.299f), (0.114f, 0.114f, 0.114f)]);
        AssertColors(ColorOperations.Saturation, 0.5, [(0, 1, 0)], [(0.2935f, 0.7935f, 0.2935f)]);
    }

    [TestMethod]
    public void HueTurnsRedToGreenToBlueAndBack()
    {
        AssertColors(ColorOperations.Hue, 1.0 / 3, [(1, 0, 0), (0, 1, 0), (0, 0, 1)], [(0, 1, 0), (0, 0, 1), (1, 0, 0)]);
        AssertColors(ColorOperations.Hue, -1.0 / 3, [(1, 0, 0), (0, 1, 0), (0, 0, 1)], [(0, 0, 1), (1, 0, 0), (0, 1, 0)]);
        AssertColors(ColorOperations.Hue, 0.5, [(0.8f, 0.2f, 0.2f), (0.5f, 0.5f, 0.5f)], [(0.2f, 0.8f, 0.8f), (0.5f, 0.5f, 0.5f)]);
        (float, float, float)[] mixed = [(0.1f, 0.5f, 0.9f), (0.7f, 0.3f, 0.4f), (0.2f, 0.6f, 0.5f), (0, 0, 0), (1, 1, 1)];
        AssertColors(ColorOperations.Hue, 0, mixed, mixed);
        AssertColors(ColorOperations.Hue, 1, mixed, mixed);
        AssertColors(ColorOperations.Hue, 0.25, [(1, 0.5f, 0)], [(0.0f, 1, 0)]); // 30° + 90° = 120°
    }

    [TestMethod]
    public void GreyImagesKeepTheirGreys()
    {
        AssertGrey(ColorOperations.Saturation, 0, [0.1f, 0.6f], [0.1f, 0.6f]);
        AssertGrey(ColorOperations.Hue, 0.3, [0.1f, 0.6f], [0.1f, 0.6f]);
    }

    [TestMethod]
    public void SharpnessIsTheDistanceFromTheWeightedNeighbourhood()
    {
        float[] point = [0, 0, 0, 0, 0.52f, 0, 0, 0, 0]; // blurred centre 0.52 · 5/13 = 0.2
        AssertImage(ColorOperations.Sharpness, 0, [1, 1, 3, 3], point, [0, 0, 0, 0, 0.2f, 0, 0, 0, 0]);
        AssertImage(ColorOperations.Sharpness, 0.5, [1, 1, 3, 3], point, [0, 0, 0, 0, 0.36f, 0, 0, 0, 0]);
        AssertImage(ColorOperations.Sharpness, 1.5, [1, 1, 3, 3], point, [0, 0, 0, 0, 0.68f, 0, 0, 0, 0]);
        AssertImage(ColorOperations.Sharpness, 0, [1, 1, 2, 3], [1, 0, 1, 0, 1, 0], [1, 0, 1, 0, 1, 0]);
    }

    [TestMethod]
    public void PosterizeDropsTheLowestBits() =>
        AssertGrey(ColorOperations.Posterize, 16, [15 / 255f, 16 / 255f, 200 / 255f, 1], [0, 16 / 255f, 192 / 255f, 240 / 255f]);

    [TestMethod]
    public void SolarizeInvertsFromTheThresholdOn() =>
        AssertGrey(ColorOperations.Solarize, 0.5, [0, 0.4f, 0.5f, 0.9f], [0, 0.4f, 0.5f, 0.1f]);

    [TestMethod]
    public void AutoContrastStretchesEachChannelByItself()
    {
        AssertGrey(ColorOperations.AutoContrast, 0, [0.2f, 0.3f, 0.6f, 0.4f], [0, 0.25f, 1, 0.5f]);
        AssertGrey(ColorOperations.AutoContrast, 0, [0.3f, 0.3f, 0.3f, 0.3f], [0.3f, 0.3f, 0.3f, 0.3f]);
        AssertColors(ColorOperations.AutoContrast, 0, [(0.2f, 0.1f, 0.7f), (0.4f, 0.9f, 0.7f)], [(0, 0, 0.7f), (1, 1, 0.7f)]);
    }

    [TestMethod]
    public void EqualizeFollowsThePythonImagingLibrary()
    {
        // 1024 pixels: 256 each of 10, 20, 30 and 40. Step (1024 - 256) / 255 = 3, so the table is (1 + pixels below) / 3: 0, 85, 171, 256
        // → 255.
        float[] image = [.. Enumerable.Range(0, 1024).Select(i => (10 + (10 * (i % 4))) / 255f)];
        float[] expected = [.. Enumerable.Range(0, 1024).Select(i => new[] { 0, 85, 171, 255 }[i % 4] / 255f)];
        AssertImage(ColorOperations.Equalize, 0, [1, 1, 32, 32], image, expected);
    }

    [TestMethod]
    public void EqualizeTakesEachChannelOfEachImageByItself()
    {
        using var scope = NewDisposeScope();
        Tensor images = rand([2, 2, 24, 24], generator: new Generator(1));
        images[1] = images[1] * 0.3f;
        Tensor together = ColorOperations.Equalize(images, zeros(2, 1, 1, 1));
        for (int image = 0; image < 2; image++)
        {
            for (int channel = 0; channel < 2; channel++)
            {
                Tensor alone = ColorOperations.Equalize(images.narrow(0, image, 1).narrow(1, channel, 1), zeros(1, 1, 1, 1));
                Assert.IsTrue(alone.eq(together.narrow(0, image, 1).narrow(1, channel, 1)).all().item<bool>());
                Assert.AreEqual(0.5, alone.mean().item<float>(), 0.08);
            }
        }
    }

    [TestMethod]
    public void EqualizeLeavesAChannelThatHasTooLittleToSpread()
    {
        AssertGrey(ColorOperations.Equalize, 0, [0.1f, 0.2f, 0.3f, 0.4f], [0.1f, 0.2f, 0.3f, 0.4f]);
        float[] flat = [.. Enumerable.Repeat(0.25f, 1024)];
        AssertImage(ColorOperations.Equalize, 0, [1, 1, 32, 32], flat, flat);
    }

    [TestMethod]
    public void EachImageHasItsOwnStrength()
    {
        using var scope = NewDisposeScope();
        Tensor images = full([2, 1, 1, 2], 0.4f);
        float[] result = ColorOperations.Brightness(images, tensor(new[] { 0.5f, 2 }, [2, 1, 1, 1])).data<float>().ToArray();
        CollectionAssert.AreEqual(new[] { 0.2f, 0.2f, 0.8f, 0.8f }, result);
    }

    [TestMethod]
    public void NoOperationLeavesTensorsOrChangesItsInput()
    {
        using Tensor images = rand([3, 3, 6, 5]);
        using Tensor copy = images.clone();
        using Tensor strength = full([3, 1, 1, 1], 0.7f);
        foreach (ColorOperation operation in new[]
                 {
                     ColorOperations.Brightness, ColorOperations.Contrast, ColorOperations.Saturation, ColorOperations.Hue,
                         ColorOperations.Sharpness,
                     ColorOperations.Posterize, ColorOperations.Solarize, ColorOperations.AutoContrast, ColorOperations.Equalize,
                 })
        {
            long before = TorchSharp.DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
            Tensor result = operation(images, strength);
            if (!ReferenceEquals(result, images))
                result.Dispose();
            Assert.AreEqual(before, TorchSharp.DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount, operation.GetType()
                .Name);
            using var scope = NewDisposeScope();
            Assert.IsTrue(copy.eq(images).all().item<bool>(), operation.GetType().Name);
        }
    }

    private static void AssertGrey(ColorOperation operation, double strength, float[] values, float[] expected) =>
        AssertImage(operation, strength, [1, 1, 1, values.Length], values, expected);

    private static void AssertColors(
        ColorOperation operation, double strength, (float R, float G, float B)[] pixels, (float R, float G, float B)[] expected) =>
        AssertImage(operation, strength, [1, 3, 1, pixels.Length], Planes(pixels), Planes(expected));

    private static float[] Planes((float R, float G, float B)[] pixels) =>
        [.. pixels.Select(pixel => pixel.R), .. pixels.Select(pixel => pixel.G), .. pixels.Select(pixel => pixel.B)];

    private static void AssertImage(ColorOperation operation, double strength, long[] shape, float[] values, float[] expected)
    {
        using var scope = NewDisposeScope();
        Tensor result = operation(tensor(values, shape), full([1, 1, 1, 1], (float)strength));
        CollectionAssert.AreEqual(shape, result.shape);
        float[] actual = result.contiguous().data<float>().ToArray();
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 2e-6f, $"value {i} of {string.Join(" ", actual)}");
    }
}
