using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class AugmenterTests
{
    // Everything but the mixing, which takes a partner from the batch.
    private static readonly Augmentation Everything = Augmentation.Strong with
    {
        CropPadding = 2,
        Rotation = 30,
        ColorJitter = new(0.4, 0.4, 0.4, 0.2),
        RandAugment = new(4, 20),
    };

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void ARowIsTheSameWhateverItsBatch(int channels)
    {
        using var scope = NewDisposeScope();
        Tensor pixels = Batch(24, channels);
        long[] rows = [.. Enumerable.Range(100, 24)];
        float[][] together = PerImage(Augment(Everything, pixels, rows));
        for (int i = 0; i < 24; i++)
            CollectionAssert.AreEqual(together[i], PerImage(Augment(Everything, pixels.narrow(0, i, 1), [rows[i]]))[0], $"row {i}");
        Tensor reversed = pixels.flip(0);
        CollectionAssert.AreEqual(together[5], PerImage(Augment(Everything, reversed, [.. rows.Reverse()]))[18]);
        Assert.HasCount(24, together.Select(image => image.Sum()).Distinct().ToArray());
    }

    [TestMethod]
    public void TheNumberOfThreadsMakesNoDifference()
    {
        using var scope = NewDisposeScope();
        Tensor pixels = Batch(64, 3, side: 40); // large enough for libtorch to share the work
        long[] rows = [.. Enumerable.Range(0, 64)];
        Augmentation mixing = Everything with { Mixup = 1, CutMix = 1 };
        int threads = get_num_threads();
        try
        {
            set_num_threads(1);
            AugmentedBatch one = Apply(mixing, pixels, rows);
            set_num_threads(2);
            AugmentedBatch two = Apply(mixing, pixels, rows);
            Assert.IsTrue(one.Pixels.eq(two.Pixels).all().item<bool>());
            Assert.IsTrue(one.Share!.eq(two.Share!).all().item<bool>());
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    [TestMethod]
    public void SeedEpochAndRowEachDecide()
    {
        using var scope = NewDisposeScope();
        Tensor pixels = Batch(1, 3).expand(2, -1, -1, -1).contiguous();
        float[][] images = PerImage(Augment(Everything, pixels, [0, 1]));
        CollectionAssert.AreNotEqual(images[0], images[1]);
        CollectionAssert.AreNotEqual(images[0], PerImage(Augment(Everything, pixels, [0, 1], epoch: 2))[0]);
        CollectionAssert.AreNotEqual(images[0], PerImage(Augment(Everything, pixels, [0, 1], seed: 8))[0]);
        manual_seed(99);
        CollectionAssert.AreEqual(images[0], PerImage(Augment(Everything, pixels, [0, 1]))[0]);
    }

    [TestMethod]
    public void NoneIsTheBatchItself()
    {
        using var scope = NewDisposeScope();
        Tensor pixels = Batch(2, 3);
        AugmentedBatch batch = Apply(Augmentation.None, pixels, [0, 1]);
        Assert.AreEqual(ScalarType.Byte, batch.Pixels.dtype);
        Assert.IsTrue(batch.Pixels.eq(pixels).all().item<bool>());
        Assert.IsNull(batch.Share);
    }

    [TestMethod]
    public void FlipAndPadAndCropKeepBytesAsTheyAre()
    {
        using var scope = NewDisposeScope();
        Tensor result = Apply(Augmentation.Standard, Batch(2, 3), [0, 1]).Pixels;
        Assert.AreEqual(ScalarType.Byte, result.dtype);
    }

    [TestMethod]
    public void ColoursOfBytesAndOfFloatsFromZeroToOneAreTheSame()
    {
        using var scope = NewDisposeScope();
        Tensor pixels = Batch(10, 3);
        long[] rows = [.. Enumerable.Range(0, 10)];
        Augmentation augmentation = Everything with { Cutout = 0 };
        Tensor bytes = Apply(augmentation, pixels, rows).Pixels;
        var augmenter = new Augmenter(augmentation, seed: 7, white: 1, [0, 0, 0]);
        Tensor floats = augmenter.Apply(pixels.to(float32) / 255, rows, epoch: 1, CPU).Pixels;
        Tensor difference = ((bytes / 255) - floats).abs();
        // A byte at the edge of a step of Posterize, Solarize or Equalize may fall to either side.
        Assert.IsGreaterThan(0.99, difference.lt(1e-5).to(float32).mean().item<float>());
    }

    [TestMethod]
    public void TheInputIsNeverChangedAndNoTensorIsLeft()
    {
        foreach (ScalarType type in new[] { ScalarType.Byte, ScalarType.Float32 })
        {
            using Tensor pixels = Batch(12, 3).to_type(type, disposeAfter: true);
            using Tensor copy = pixels.clone();
            long[] rows = [.. Enumerable.Range(0, 12)];
            long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
            foreach (Augmentation augmentation in new[]
                     {
                         Everything with { Mixup = 1 }, new() { Rotation = 10 }, new() { Cutout = 0.5 }, new() { CutMix = 1 },
                             new() { Mixup = 1 },
                         new() { ColorJitter = new(0.5) },
                     })
            {
                using var scope = NewDisposeScope();
                Apply(augmentation, pixels, rows);
                Assert.IsTrue(copy.eq(pixels).all().item<bool>(), augmentation.ToString());
            }

            Assert.AreEqual(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
        }
    }

    [TestMethod]
    public void RotationIsEvenUpToItsLimitToBothSides()
    {
        using var scope = NewDisposeScope();
        // A bright pixel 20 to the right of the centre tells the angle.
        byte[] image = new byte[51 * 51];
        for (int y = 24; y <= 26; y++)
            image.AsSpan((y * 51) + 44, 3).Fill(255);
        Tensor pixels = tensor(image, [1, 1, 51, 51]).expand(300, -1, -1, -1).contiguous();
        Tensor turned = Apply(new() { Rotation = 60 }, pixels, [.. Enumerable.Range(0, 300)]).Pixels;
        Tensor place = arange(51, dtype: float32) - 25;
        Tensor mass = turned.sum([1, 2, 3]);
        double[] x = Doubles((turned.sum([1, 2]) * place).sum(1) / mass), y2 = Doubles((turned.sum([1, 3]) * place).sum(1) / mass);
        double[] angles = [.. x.Zip(y2, (right, down) => Math.Atan2(-down, right) * 180 / Math.PI)];
        Assert.IsTrue(angles.All(angle => Math.Abs(angle) < 61));
        Assert.AreEqual(0, angles.Average(), 6.0);
        Assert.AreEqual(60 / Math.Sqrt(3), Math.Sqrt(angles.Average(angle => angle * angle)), 3.0);

        static double[] Doubles(Tensor values) => values.to(float64).data<double>().ToArray();
    }

    /// <summary>The largest square, or nearly, in the middle of a wide image, where alone it is white.</summary>
    [TestMethod]
    public void WidthAndHeightOfAWideImageAreNotMistakenForEachOther()
    {
        using var scope = NewDisposeScope();
        Tensor pixels = zeros([1, 1, 10, 100], ScalarType.Byte);
        pixels.narrow(3, 43, 13).fill_(255);

        Tensor result = Apply(new() { RandomResizedCrop = new(1, 1) }, pixels, [0]).Pixels;

        CollectionAssert.AreEqual(new long[] { 1, 1, 10, 100 }, result.shape);
        Assert.AreEqual(255, result.narrow(3, 5, 90).min().to(float32).item<float>(), 0.5f);
    }

    [TestMethod]
    public void JitterDrawsItsFactorsEvenlyAndInAnyOrder()
    {
        var random = new Random(1);
        var first = new List<ColorOperation>();
        var brightness = new List<double>();
        for (int i = 0; i < 2000; i++)
        {
            var steps = new ImageSteps();
            new ColorJitter(0.4, 1.5, 0.2, 0.1).Draw(random, steps);
            Assert.HasCount(4, steps.Colors);
            first.Add(steps.Colors[0].Operation);
            brightness.AddRange(steps.Colors.Where(step => step.Operation == ColorOperations.Brightness)
                .Select(step => (double)step.Strength));
            Assert.IsInRange(0f, 2.5f, steps.Colors.Single(step => step.Operation == ColorOperations.Contrast).Strength);
            Assert.IsInRange(-0.1f, 0.1f, steps.Colors.Single(step => step.Operation == ColorOperations.Hue).Strength);
        }

        foreach (var group in first.GroupBy(operation => operation))
            Assert.AreEqual(500, group.Count(), 75);
        Assert.AreEqual(1, brightness.Average(), 0.02);
        Assert.AreEqual(0.6, brightness.Min(), 0.01);
        Assert.AreEqual(1.4, brightness.Max(), 0.01);
    }

    private static Tensor Augment(Augmentation augmentation, Tensor pixels, long[] rows, int seed = 7, int epoch = 1) =>
        Apply(augmentation, pixels, rows, seed, epoch).Pixels;

    private static AugmentedBatch Apply(Augmentation augmentation, Tensor pixels, long[] rows, int seed = 7, int epoch = 1)
    {
        double[] mean = [.. Enumerable.Repeat(111.25, (int)pixels.shape[1])];
        return new Augmenter(augmentation, seed, white: 255, mean).Apply(pixels, rows, epoch, CPU);
    }

    private static float[][] PerImage(Tensor images)
    {
        using var scope = NewDisposeScope();
        return [.. Enumerable.Range(0, (int)images.shape[0]).Select(i => images[i].to(float32).contiguous().data<float>().ToArray())];
    }

    private static Tensor Batch(int images, int channels, int side = 20)
    {
        byte[] values = new byte[images * channels * (side + 1) * side];
        new Random(5).NextBytes(values);
        return tensor(values, [images, channels, side + 1, side]);
    }
}
