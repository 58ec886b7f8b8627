using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class LabelMixingTests
{
    [TestMethod]
    public void MixupIsTheWeightedSumWithTheImageBefore()
    {
        using var scope = NewDisposeScope();
        Tensor pixels = Batch(6);
        (Tensor images, Tensor share) = LabelMixing.Apply(pixels, new Augmentation { Mixup = 1 }, Generators(6));
        float[] shares = share.data<float>().ToArray();
        Assert.HasCount(6, shares.Distinct().ToArray());
        for (int i = 0; i < 6; i++)
        {
            Tensor expected = (pixels[i].to(float32) * shares[i]) + (pixels[(i + 5) % 6].to(float32) * (1 - shares[i]));
            Assert.IsLessThan(1e-4, (expected - images[i]).abs().max().item<float>());
        }
    }

    [TestMethod]
    public void CutMixIsARectangleOfTheImageBeforeAndTheShareIsTheAreaThatIsLeft()
    {
        using var scope = NewDisposeScope();
        Tensor pixels = Batch(40);
        (Tensor images, Tensor share) = LabelMixing.Apply(pixels, new Augmentation { CutMix = 1 }, Generators(40));
        int cut = 0;
        for (int i = 0; i < 40; i++)
        {
            Tensor own = images[i].eq(pixels[i]).all(0), other = images[i].eq(pixels[(i + 39) % 40]).all(0); // [H, W]
            Assert.IsTrue((own | other).all().item<bool>());
            Assert.IsFalse((own & other).any().item<bool>());
            Assert.AreEqual(own.to(float32).mean().item<float>(), share[i].item<float>(), 1e-6f);
            long rows = other.any(1).sum().item<long>(), columns = other.any(0).sum().item<long>();
            Assert.AreEqual(rows * columns, other.sum().item<long>(), "a rectangle");
            cut += rows > 0 ? 1 : 0;
        }

        Assert.IsGreaterThan(30, cut);
    }

    [TestMethod]
    public void BothShareTheBatch()
    {
        using var scope = NewDisposeScope();
        Tensor pixels = Batch(400);
        (Tensor images, _) = LabelMixing.Apply(pixels, new Augmentation { CutMix = 1, Mixup = 1 }, Generators(400));
        Tensor taken = images.eq(pixels) | images.eq(LabelMixing.Partners(pixels));
        Assert.AreEqual(200, taken.flatten(1).all(1).sum().item<long>(), 45.0); // CutMix takes pixels as they are, mixup none
    }

    [TestMethod]
    public void ABatchOfOneIsMixedWithItself()
    {
        using var scope = NewDisposeScope();
        Tensor pixels = Batch(1);
        (Tensor images, _) = LabelMixing.Apply(pixels, new Augmentation { CutMix = 1 }, Generators(1));
        Assert.IsTrue(images.eq(pixels).all().item<bool>());
    }

    [TestMethod]
    public void PartnersOfImagesAndLabelsAreTheSame()
    {
        using var scope = NewDisposeScope();
        CollectionAssert.AreEqual(new long[] { 7, 5, 6 }, LabelMixing.Partners(tensor(new long[] { 5, 6, 7 })).data<long>().ToArray());
        Tensor pixels = Batch(3);
        Assert.IsTrue(LabelMixing.Partners(pixels)[1].eq(pixels[0]).all().item<bool>());
    }

    [TestMethod]
    public void CutoutFillsASquareAnywhereWithTheMean()
    {
        using var scope = NewDisposeScope();
        Tensor pixels = Batch(200);
        Tensor images = Cutout.Apply(pixels, share: 0.5, [0.25, 300], Generators(200));
        var corners = new HashSet<(long, long)>();
        for (int i = 0; i < 200; i++)
        {
            Tensor cut = images[i, 0].eq(0.25) & images[i, 1].eq(300);
            Assert.IsTrue((cut | images[i].eq(pixels[i]).all(0)).all().item<bool>());
            long rows = cut.any(1).sum().item<long>(), columns = cut.any(0).sum().item<long>();
            Assert.IsInRange(2L, 4L, rows); // a side of 4, half of the shorter 8; never less than half of it inside
            Assert.IsInRange(2L, 4L, columns);
            Assert.AreEqual(rows * columns, cut.sum().item<long>());
            corners.Add((cut.any(1).to_type(ScalarType.Byte).argmax().item<long>(), cut.any(0).to_type(ScalarType.Byte).argmax()
                .item<long>()));
        }

        Assert.IsGreaterThan(40, corners.Count);
    }

    private static Random[] Generators(int count) => [.. Enumerable.Range(0, count).Select(i => new Random(i * 7919))];

    // 8 × 10 pixels; no pixel equals the same one of the image before.
    private static Tensor Batch(int images)
    {
        byte[] values = [.. Enumerable.Range(0, images * 2 * 8 * 10).Select(i => (byte)((i * 37 % 251) + 1))];
        return tensor(values, [images, 2, 8, 10]);
    }
}
