using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class AffineWarpTests
{
    [TestMethod]
    public void TheIdentityIsTheImage() =>
        AssertWarped(AffineMap.Identity, [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13, 14, 15]],
            [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13, 14, 15]]);

    [TestMethod]
    public void AQuarterTurnIsCounterClockwise() =>
        AssertWarped(AffineMap.Rotation(90), [[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[3, 6, 9], [2, 5, 8], [1, 4, 7]]);

    [TestMethod]
    public void AQuarterTurnOfAWideImageKeepsItsProportions() =>
        AssertWarped(AffineMap.Rotation(90), [[1, 2, 3, 4], [5, 6, 7, 8]], [[0, 3, 7, 0], [0, 2, 6, 0]]);

    [TestMethod]
    public void AHalfTurnIsExactOnTheCorners() =>
        AssertWarped(AffineMap.Rotation(180), [[1, 2, 3], [4, 5, 6]], [[6, 5, 4], [3, 2, 1]]);

    [TestMethod]
    public void ATranslationMovesRightAndDownAndLeavesBlack() =>
        AssertWarped(AffineMap.Translation(1, 1), [[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[0, 0, 0], [0, 1, 2], [0, 4, 5]]);

    [TestMethod]
    public void ShearingAlongXGrowsFromTheTopEdge() =>
        AssertWarped(AffineMap.ShearX(0.5, 3), [[1, 2, 3], [1, 2, 3], [1, 2, 3]], [[1.25f, 2.25f, 3], [1.75f, 2.75f, 0], [2.25f, 3, 0]]);

    [TestMethod]
    public void ShearingAlongYGrowsFromTheLeftEdge() =>
        AssertWarped(AffineMap.ShearY(2, 3), [[1, 1, 1], [2, 2, 2], [3, 3, 3]], [[2, 0, 0], [3, 0, 0], [0, 0, 0]]);

    [TestMethod]
    public void ACropFillsTheImageByLinearInterpolationWithoutDarkEdges()
    {
        // The left half of 8, 16, 24, 32: centres at 0.25, 0.75, 1.25 and 1.75 pixels from the left edge.
        AffineMap crop = AffineMap.Crop(PixelBox.Of(0, 0, 2, 2), 4, 2);
        AssertWarped(crop, [[8, 16, 24, 32], [8, 16, 24, 32]], [[8, 10, 14, 18], [8, 10, 14, 18]]);
        AffineMap right = AffineMap.Crop(PixelBox.Of(2, 0, 2, 2), 4, 2);
        AssertWarped(right, [[8, 16, 24, 32], [8, 16, 24, 32]], [[22, 26, 30, 32], [22, 26, 30, 32]]);
    }

    [TestMethod]
    public void MapsTogetherAreOneAfterTheOther()
    {
        AffineMap crop = AffineMap.Crop(PixelBox.Of(1, 2, 4, 3), 8, 6), turn = AffineMap.Rotation(33), shear = AffineMap.ShearY(0.2, 8);
        AffineMap all = crop.Then(turn).Then(shear);
        (double x, double y) = Map(crop, Map(turn, Map(shear, (1.5, -2.25))));
        Assert.AreEqual((x, y), Map(all, (1.5, -2.25)));
        AssertWarped(AffineMap.Translation(1, 0).Then(AffineMap.Rotation(90)), [[1, 2, 3], [4, 5, 6], [7, 8, 9]],
            [[2, 5, 8], [1, 4, 7], [0, 0, 0]]);

        static (double, double) Map(AffineMap map, (double X, double Y) p) =>
            (Math.Round((map.XX * p.X) + (map.XY * p.Y) + map.X0, 9), Math.Round((map.YX * p.X) + (map.YY * p.Y) + map.Y0, 9));
    }

    [TestMethod]
    public void EachImageOfABatchGetsItsOwnMap()
    {
        using var scope = NewDisposeScope();
        Tensor one = Grid(4, 4);
        AffineMap[] maps = [AffineMap.Rotation(90), AffineMap.Identity, AffineMap.Translation(-1, 2)];
        Tensor batch = AffineWarp.Apply(one.expand(3, -1, -1, -1), maps);
        for (int i = 0; i < 3; i++)
            CollectionAssert.AreEqual(Values(AffineWarp.Apply(one, [maps[i]])), Values(batch.narrow(0, i, 1)));
    }

    private static Tensor Grid(int height, int width) =>
        tensor([.. Enumerable.Range(1, 2 * height * width).Select(i => (float)i)], [1, 2, height, width]);

    private static float[] Values(Tensor images) => images.contiguous().data<float>().ToArray();

    private static void AssertWarped(AffineMap map, float[][] image, float[][] expected)
    {
        using var scope = NewDisposeScope();
        Tensor images = tensor([.. image.SelectMany(row => row)], [1, 1, image.Length, image[0].Length]);
        float[] actual = Values(AffineWarp.Apply(images, [map]));
        float[] flat = [.. expected.SelectMany(row => row)];
        for (int i = 0; i < flat.Length; i++)
            Assert.AreEqual(flat[i], actual[i], 1e-4f, $"pixel {i} of {string.Join(" ", actual)}");
    }
}
