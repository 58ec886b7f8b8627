using Microsoft.ML.Data;
using TorchSharp;
using static Microsoft.ML.SharpnessAware.Tests.TestRows;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class ImageDatasetTests
{
    [TestMethod]
    public void RowsKeepTheirOrderPixelsAndLabels()
    {
        using ImageDataset data = Load(Rows(5));
        Assert.AreEqual(5, data.Count);
        Assert.AreEqual(3, data.NumberOfClasses);
        Assert.AreEqual(new ImageShape(1, 2, 2), data.Shape);
        Assert.AreEqual(ScalarType.Byte, data.PixelType);
        CollectionAssert.AreEqual(new long[] { 0, 1, 2, 0, 1 }, data.Labels.data<long>().ToArray());
        using Tensor all = data.Batch(0, 5);
        CollectionAssert.AreEqual(new long[] { 5, 1, 2, 2 }, all.shape);
        CollectionAssert.AreEqual(Enumerable.Range(0, 20).Select(i => (byte)i).ToArray(), all.data<byte>().ToArray());
    }

    [TestMethod]
    public void AnUnknownNumberOfRowsGivesTheSameTensors()
    {
        IDataView known = Rows(7);
        IDataView unknown = Context.Data.FilterByCustomPredicate<PixelRow<byte>>(known, _ => false);
        Assert.IsNull(unknown.GetRowCount());
        using ImageDataset expected = Load(known);
        using ImageDataset actual = Load(unknown);
        AssertEqual(expected.Batch(0, 7), actual.Batch(0, 7));
        AssertEqual(expected.Labels.alias(), actual.Labels.alias());
    }

    [TestMethod]
    public void TheSinkGrowsBlockByBlock()
    {
        // 8 MB images: four fit a block of 32 MB, so that ten need three blocks.
        var shape = new ImageShape(1, 1024, 2048);
        using var sink = new MemorySink(ScalarType.Float32, expectedRows: null);
        byte[] image = new byte[shape.ValueCount * sizeof(float)];
        for (byte row = 0; row < 10; row++)
        {
            image.AsSpan().Fill(row);
            sink.Add(image, shape);
        }

        using ImagePixels pixels = sink.Complete();
        using Tensor all = pixels.Batch(0, 10);
        CollectionAssert.AreEqual(new long[] { 10, 1, 1024, 2048 }, all.shape);
        for (byte row = 0; row < 10; row++)
        {
            using Tensor one = all.narrow(0, row, 1);
            Assert.AreEqual(-1, one.bytes.IndexOfAnyExcept(row));
        }
    }

    [TestMethod]
    [DataRow(2L)]
    [DataRow(9L)]
    public void AWrongRowCountIsHarmless(long expected)
    {
        using var sink = new MemorySink(ScalarType.Byte, expected);
        for (byte row = 0; row < 4; row++)
            sink.Add([row, row], new ImageShape(1, 1, 2));
        using ImagePixels pixels = sink.Complete();
        using Tensor all = pixels.Batch(0, 4);
        CollectionAssert.AreEqual(new byte[] { 0, 0, 1, 1, 2, 2, 3, 3 }, all.data<byte>().ToArray());
    }

    [TestMethod]
    public void FloatsStayFloats()
    {
        using ImageDataset data = Load(Pixels([1, 1, 2], Dense(0.5f, -3f)));
        Assert.AreEqual(ScalarType.Float32, data.PixelType);
        using Tensor batch = data.Batch(0, 1);
        CollectionAssert.AreEqual(new[] { 0.5f, -3f }, batch.data<float>().ToArray());
    }

    [TestMethod]
    public void ABatchHasTheRowsOfItsIndex()
    {
        using ImageDataset data = Load(Rows(5));
        using Tensor index = tensor([3L, 0L, 3L]);
        using Tensor batch = data.Batch(index);
        CollectionAssert.AreEqual(new byte[] { 12, 13, 14, 15, 0, 1, 2, 3, 12, 13, 14, 15 }, batch.data<byte>().ToArray());
    }

    [TestMethod]
    public void ASubsetOfASubsetHasItsRowsAndOutlivesTheWhole()
    {
        ImageDataset whole = Load(Rows(6));
        ImageDataset half = whole.Subset([5, 3, 1]);
        using ImageDataset part = half.Subset([2, 0]);
        whole.Dispose();
        half.Dispose();
        Assert.AreEqual(2, part.Count);
        CollectionAssert.AreEqual(new long[] { 1, 2 }, part.Labels.data<long>().ToArray());
        using Tensor all = part.Batch(0, 2);
        using Tensor index = tensor([1L]);
        using Tensor last = part.Batch(index);
        CollectionAssert.AreEqual(new byte[] { 4, 5, 6, 7, 20, 21, 22, 23 }, all.data<byte>().ToArray());
        CollectionAssert.AreEqual(new byte[] { 20, 21, 22, 23 }, last.data<byte>().ToArray());
    }

    [TestMethod]
    public void NoRowsAreAnError() =>
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => Load(Rows(0))).Message, "no rows");

    [TestMethod]
    public void LoadingCanBeCancelled()
    {
        int rows = 0;
        Assert.ThrowsExactly<OperationCanceledException>(() => ImageDataset.Load(
            Rows(100), "Image", "Label", new(), () => { if (++rows == 3) throw new OperationCanceledException(); }));
        Assert.AreEqual(3, rows);
    }

    [TestMethod]
    public void EncodedImagesAreDecodedOnceEach()
    {
        int reads = 0;
        IDataView files = Files([.. Enumerable.Range(0, 4).Select(i => TestImages.EncodeGrey(2, 2, (_, _) => (byte)i))]);
        IDataView counted = Context.Transforms.CustomMapping<FileRow, Mapped>((source, target) =>
        {
            Interlocked.Increment(ref reads);
            target.Copy = source.Image;
        }, null).Fit(files).Transform(files);
        using ImageDataset data = ImageDataset.Load(counted, "Copy", "Label", new(2, 2, 1));
        Assert.AreEqual(4, reads);
    }

    [TestMethod]
    public void NothingIsLeftOfADisposedOrFailedDataSet()
    {
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        using (ImageDataset data = Load(Rows(9)))
        using (ImageDataset subset = data.Subset([1, 2]))
        {
            using Tensor index = tensor([0L]);
            data.Batch(index).Dispose();
            subset.Batch(index).Dispose();
            subset.Batch(0, 2).Dispose();
        }

        Assert.ThrowsExactly<InvalidOperationException>(() => Load(Pixels([1, 1, 1], Dense(1f), Dense(float.NaN))));
        Assert.AreEqual(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    [TestMethod]
    public void AnOpenDisposeScopeDoesNotTakeTheTensorsAway()
    {
        ImageDataset data, subset;
        using (NewDisposeScope())
        {
            data = Load(Rows(3));
            subset = data.Subset([0, 2]);
        }

        using (data)
        using (subset)
        {
            using Tensor batch = subset.Batch(1, 1);
            CollectionAssert.AreEqual(new byte[] { 8, 9, 10, 11 }, batch.data<byte>().ToArray());
            Assert.AreEqual(3, data.Count);
        }
    }

    [TestMethod]
    public void AllBadImagesAreNamedAtOnce()
    {
        byte[] good = TestImages.EncodeGrey(2, 2, (_, _) => 9), broken = "no image"u8.ToArray();
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => Load(Files(good, broken, good, [], broken))).Message;
        Assert.AreEqual(
            "3 of 5 images cannot be used: Column 'Image', row 1 (counting from 0): the 8 bytes are not an image (png, jpg, gif, bmp, " +
            "webp or ico), or too few of one; Column 'Image', row 3 (counting from 0): the image is empty (no bytes); " +
            "Column 'Image', row 4 (counting from 0): the 8 bytes are not an image (png, jpg, gif, bmp, webp or ico), or too few of one. " +
            "Correct or remove them, or set OnBadImage to Skip.", message);
    }

    [TestMethod]
    public void ManyBadImagesAreCountedAndTwentyNamed()
    {
        byte[][] files = [.. Enumerable.Repeat("no image"u8.ToArray(), 30), TestImages.EncodeGrey(2, 2, (_, _) => 9)];
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => Load(Files(files))).Message;
        StringAssert.StartsWith(message, "30 of 31 images cannot be used: Column 'Image', row 0 ");
        StringAssert.Contains(message, "row 19 ");
        StringAssert.Contains(message, "; and 10 more. Correct");
        Assert.DoesNotContain("row 20 ", message);
    }

    [TestMethod]
    public void SkippedImagesLeaveTheOthersWithTheirLabels()
    {
        FileRow[] rows = [.. Enumerable.Range(0, 7).Select(i => new FileRow
        {
            Image = i % 3 == 0 ? "no image"u8.ToArray() : TestImages.EncodeGrey(2, 2, (_, _) => (byte)(10 * i)),
            Label = (uint)(i % 3),
        })];
        List<string> warnings = [];
        using ImageDataset data = ImageDataset.Load(View(rows), "Image", "Label", new(2, 2),
            badImages: new BadImages(OnBadImage.Skip, warnings.Add));
        CollectionAssert.AreEqual(new long[] { 1, 2, 1, 2 }, data.Labels.data<long>().ToArray());
        using Tensor pixels = data.Batch(0, 4);
        CollectionAssert.AreEqual(new byte[] { 10, 20, 40, 50 }, pixels.select(1, 0).select(1, 0).select(1, 0).contiguous().data<byte>()
            .ToArray());
        StringAssert.StartsWith(warnings.Single(), "3 of 7 images cannot be used and are left out (OnBadImage = Skip): Column 'Image', " +
            "row 0 ");
    }

    [TestMethod]
    public void WhereNoImageIsLeftSkippingIsAnErrorToo()
    {
        string message = Assert.ThrowsExactly<InvalidOperationException>(
            () => ImageDataset.Load(Files([], []), "Image", "Label", new(), badImages: new BadImages(OnBadImage.Skip))).Message;
        StringAssert.StartsWith(message, "2 of 2 images cannot be used");
        StringAssert.EndsWith(message, "None is left.");
    }

    /// <summary>A share that is away for a moment is no reason to train on what is left.</summary>
    [TestMethod]
    public void AFileThatCannotBeOpenedIsAnErrorAlsoWhereBadImagesAreSkipped()
    {
        byte[] good = TestImages.EncodeGrey(2, 2, (_, _) => 9);
        GuardedRow[] rows = [.. Enumerable.Range(0, 6).Select(i => new GuardedRow
        {
            Bytes = i == 0 ? "no image"u8.ToArray() : good, Label = (uint)(i % 3), ImagePath = $"{i}.png",
        })];
        rows[3].Problem = new IOException("The network name is no longer available.");
        AssertRefused("1 of 6 images cannot be read", "'3.png'", "no longer available");
        rows[4].Problem = new UnauthorizedAccessException("Access is denied.");
        AssertRefused("2 of 6 images cannot be read", "'3.png'", "'4.png'", "Access is denied");

        void AssertRefused(params string[] parts)
        {
            List<string> warnings = [];
            string message = Assert.ThrowsExactly<InvalidOperationException>(() => ImageDataset.Load(View(), "Image", "Label", new(2, 2),
                badImages: new BadImages(OnBadImage.Skip, warnings.Add))).Message;
            foreach (string part in parts)
                Assert.Contains(part, message);
            Assert.DoesNotContain("'0.png'", message);
            Assert.IsEmpty(warnings);
            Assert.Contains("'0.png'", Assert.ThrowsExactly<InvalidOperationException>(
                () => ImageDataset.Load(View(), "Image", "Label", new(2, 2))).Message);
        }

        IDataView View() => Context.Data.LoadFromEnumerable(rows);
    }

    [TestMethod]
    public void PixelsThatAreNoNumbersMayBeSkipped()
    {
        IDataView data = Pixels([1, 1, 2], Dense(1f, 2f), Dense(float.NaN, 2f), Dense(3f, 4f));
        using ImageDataset rest = ImageDataset.Load(data, "Image", "Label", new(), badImages: new BadImages(OnBadImage.Skip));
        Assert.AreEqual(2, rest.Count);
    }

    private static ImageDataset Load(IDataView data) => ImageDataset.Load(data, "Image", "Label", new());

    private static IDataView Rows(int count)
    {
        var definition = SchemaDefinition.Create(typeof(PixelRow<byte>));
        definition["Image"].ColumnType = new VectorDataViewType(NumberDataViewType.Byte, 1, 2, 2);
        return Context.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(row => new PixelRow<byte>
        {
            Image = Dense([.. Enumerable.Range(4 * row, 4).Select(i => (byte)i)]),
            Label = (uint)row % 3,
        }).ToArray(), definition);
    }

    private static void AssertEqual(Tensor expected, Tensor actual)
    {
        using (expected)
        using (actual)
            Assert.IsTrue(expected.equal(actual).all().item<bool>());
    }

    /// <summary>A row whose file cannot be opened while there is a problem.</summary>
    private sealed class GuardedRow
    {
        public byte[] Image
        {
            get => Problem is null ? Bytes : throw Problem;
            set => Bytes = value;
        }

        [KeyType(3)]
        public uint Label { get; set; }

        public string ImagePath { get; set; } = "";

        [NoColumn]
        public byte[] Bytes { get; set; } = [];

        [NoColumn]
        public Exception? Problem { get; set; }
    }

    private sealed class Mapped
    {
        public byte[]? Copy { get; set; }
    }
}
