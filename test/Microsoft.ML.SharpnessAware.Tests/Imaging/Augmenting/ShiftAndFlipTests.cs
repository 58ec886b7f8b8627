using CsCheck;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class ShiftAndFlipTests
{
    [TestMethod]
    public void NoneIsTheBatchItself()
    {
        using Tensor pixels = Batch(4);
        Assert.AreSame(pixels, Apply(Augmentation.None, pixels, new Random(1)));
    }

    [TestMethod]
    public void FlippingTwiceAlikeIsTheIdentity() => Gen.Int.Sample(seed =>
    {
        using var scope = NewDisposeScope();
        Tensor pixels = Batch(6);
        Tensor once = Apply(Augmentation.Flip, pixels, new Random(seed));
        Tensor twice = Apply(Augmentation.Flip, once, new Random(seed));
        CollectionAssert.AreEqual(Values(pixels), Values(twice));
    }, iter: 20);

    [TestMethod]
    public void AboutHalfOfTheImagesAreMirroredAndTheRestUntouched()
    {
        using var scope = NewDisposeScope();
        Tensor pixels = Batch(1000);
        Tensor result = Apply(Augmentation.Flip, pixels, new Random(1));
        Tensor same = result.eq(pixels).flatten(1).all(1);
        Tensor mirrored = result.eq(pixels.flip(3)).flatten(1).all(1);
        Assert.IsTrue((same | mirrored).all().item<bool>());
        Assert.AreEqual(500, same.sum().item<long>(), 60);
    }

    [TestMethod]
    public void EveryShiftUpToThePaddingOccursAndFillsWithZeros()
    {
        using var scope = NewDisposeScope();
        Tensor pixels = Batch(400);
        Tensor padded = nn.functional.pad(pixels, [2, 2, 2, 2]);
        Tensor result = Apply(new() { CropPadding = 2 }, pixels, new Random(1));
        var shifts = new HashSet<(long, long)>();
        for (long image = 0; image < 400; image++)
            shifts.Add(ShiftOf(padded[image], result[image]));
        Assert.HasCount(25, shifts);

        static (long, long) ShiftOf(Tensor padded, Tensor image)
        {
            for (long top = 0; top <= 4; top++)
            {
                for (long left = 0; left <= 4; left++)
                {
                    if (padded.narrow(1, top, image.shape[1]).narrow(2, left, image.shape[2]).equal(image).all().item<bool>())
                        return (top, left);
                }
            }

            throw new AssertFailedException("The image is not a window of its padded self.");
        }
    }

    [TestMethod]
    public void PaddingLargerThanTheImageMayPushItOut()
    {
        using var scope = NewDisposeScope();
        Tensor result = Apply(new() { CropPadding = 100 }, Batch(20), new Random(1));
        Assert.IsTrue(Values(result).Any(value => value == 0));
    }

    [TestMethod]
    public void BytesAndFloatsAreTreatedAlike()
    {
        using var scope = NewDisposeScope();
        Tensor pixels = Batch(50);
        Tensor bytes = Apply(Augmentation.Standard, pixels, new Random(7));
        Tensor floats = Apply(Augmentation.Standard, pixels.to(float32), new Random(7));
        Assert.AreEqual(ScalarType.Byte, bytes.dtype);
        Assert.AreEqual(ScalarType.Float32, floats.dtype);
        CollectionAssert.AreEqual(Values(bytes), Values(floats.to_type(ScalarType.Byte)));
    }

    [TestMethod]
    public void TheGeneratorDecidesAndNothingElse()
    {
        using var scope = NewDisposeScope();
        Tensor pixels = Batch(50);
        byte[] first = Values(Apply(Augmentation.Standard, pixels, new Random(3)));
        manual_seed(99);
        CollectionAssert.AreEqual(first, Values(Apply(Augmentation.Standard, pixels, new Random(3))));
        CollectionAssert.AreNotEqual(first, Values(Apply(Augmentation.Standard, pixels, new Random(4))));
    }

    [TestMethod]
    public void BatchesInParallelAreThoseOneAfterTheOther()
    {
        using Tensor pixels = Batch(50);
        byte[] Result(int seed)
        {
            using Tensor result = Apply(Augmentation.Standard, pixels, SeededRandom.Create(1, seed));
            return Values(result);
        }

        byte[][] parallel = [.. Enumerable.Range(0, 8).AsParallel().AsOrdered().Select(Result)];
        for (int seed = 0; seed < 8; seed++)
            CollectionAssert.AreEqual(Result(seed), parallel[seed]);
    }

    [TestMethod]
    public void NoTensorIsLeft()
    {
        using Tensor pixels = Batch(3);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Apply(Augmentation.Standard, pixels, new Random(1)).Dispose();
        Assert.AreEqual(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    [TestMethod]
    public void SeedsAndStreamsGiveIndependentNumbersThatNeverChange()
    {
        int[] draws = [.. Enumerable.Range(0, 100).Select(epoch => SeededRandom.Create(1, epoch).Next(1000))];
        Assert.IsGreaterThan(80, draws.Distinct().Count());
        Assert.AreNotEqual(SeededRandom.Create(1, 2).Next(), SeededRandom.Create(2, 1).Next());
        Assert.AreNotEqual(SeededRandom.Create(1).Next(), SeededRandom.Create(1, 0).Next());
        Assert.AreEqual(SeededRandom.Create(1, 2, 3).Next(), SeededRandom.Create(1, 2, 3).Next());
    }

    private static Tensor Apply(Augmentation augmentation, Tensor pixels, Random random) => ShiftAndFlip.Apply(
        pixels, augmentation.CropPadding, augmentation.HorizontalFlip, [.. Enumerable.Repeat(random, (int)pixels.shape[0])]);

    // Every value from 1 to 250 comes up, so that a moved pixel shows and a padded zero is never one.
    private static Tensor Batch(int images)
    {
        byte[] values = [.. Enumerable.Range(0, images * 2 * 5 * 7).Select(i => (byte)((i * 37 % 250) + 1))];
        return tensor(values, [images, 2, 5, 7]);
    }

    private static byte[] Values(Tensor tensor) => tensor.data<byte>().ToArray();
}
