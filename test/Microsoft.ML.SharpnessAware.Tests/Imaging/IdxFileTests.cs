using System.Buffers.Binary;
using System.IO.Compression;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class IdxFileTests
{
    private static readonly byte[] Pixels = [.. Enumerable.Range(0, 3 * 2 * 4).Select(i => (byte)(10 * i))];
    private static readonly byte[] GoodImages = Idx(0x803, [3, 2, 4], Pixels);
    private static readonly byte[] GoodLabels = Idx(0x801, [3], [7, 0, 200]);

    private readonly MLContext _context = new(1);
    private string _folder = "";

    [TestInitialize]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("idx").FullName;

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void ImagesAndLabelsComeBack(bool compressed)
    {
        IDataView data = Load(compressed ? Gzip(GoodImages) : GoodImages, compressed ? Gzip(GoodLabels) : GoodLabels);
        CollectionAssert.AreEqual(new[] { "7", "0", "200" }, data.GetColumn<string>("Label").ToArray());
        CollectionAssert.AreEqual(Pixels, data.GetColumn<byte[]>("Image").SelectMany(image => image).ToArray());
        CollectionAssert.AreEqual(new[] { 1, 2, 4 }, ((VectorDataViewType)data.Schema["Image"].Type).Dimensions.ToArray());
        Assert.AreEqual(3, data.GetRowCount());
    }

    /// <summary>EMNIST's files hold each image column by column.</summary>
    [TestMethod]
    public void TransposedImagesAreTurnedUpright()
    {
        string images = WriteFile("images", GoodImages), labels = WriteFile("labels", GoodLabels);
        IDataView data = _context.Data.LoadImagesFromIdx(images, labels, transposed: true);
        CollectionAssert.AreEqual(new[] { 1, 4, 2 }, ((VectorDataViewType)data.Schema["Image"].Type).Dimensions.ToArray());
        byte[][] upright = [.. data.GetColumn<byte[]>("Image")];
        CollectionAssert.AreEqual(new byte[] { 0, 40, 10, 50, 20, 60, 30, 70 }, upright[0]);
        CollectionAssert.AreEqual(new byte[] { 160, 200, 170, 210, 180, 220, 190, 230 }, upright[2]);
        CollectionAssert.AreEqual(new[] { "7", "0", "200" }, data.GetColumn<string>("Label").ToArray());
    }

    /// <summary>Images of 8 MB, of which two fill a block of memory, so that the third begins another.</summary>
    [TestMethod]
    public void ImagesOfSeveralBlocksOfMemoryComeBack()
    {
        const int Height = 2048, Width = 4096;
        byte[] pixels = new byte[3 * Height * Width];
        for (int i = 0; i < 3; i++)
        {
            Span<byte> image = pixels.AsSpan(i * Height * Width, Height * Width);
            image.Fill((byte)(i + 1));
            image[1] = (byte)(100 + i);
        }

        string images = WriteFile("images", Idx(0x803, [3, Height, Width], pixels)), labels = WriteFile("labels", GoodLabels);
        CollectionAssert.AreEqual(new[] { (1, 100, 1), (2, 101, 2), (3, 102, 3) }, Bytes(second: 1, transposed: false));
        CollectionAssert.AreEqual(new[] { (1, 100, 1), (2, 101, 2), (3, 102, 3) }, Bytes(second: Height, transposed: true));
        CollectionAssert.AreEqual(new[] { (1, 1, 1), (2, 2, 2), (3, 3, 3) }, Bytes(second: 1, transposed: true));

        (int First, int Second, int Last)[] Bytes(int second, bool transposed) =>
            [.. _context.Data.LoadImagesFromIdx(images, labels, transposed: transposed).GetColumn<byte[]>("Image")
                .Select(image => ((int)image[0], (int)image[second], (int)image[^1]))];
    }

    [TestMethod]
    [DataRow("emnist-letters-train-images-idx3-ubyte.gz", false, true)]
    [DataRow("EMNIST-digits", false, true)]
    [DataRow("emnist-letters-train-images-idx3-ubyte.gz", true, false)]
    [DataRow("train-images-idx3-ubyte", false, false)]
    public void AFileNamedAfterEmnistThatIsTakenAsStoredIsWarnedOf(string name, bool transposed, bool warned)
    {
        var warnings = new List<string>();
        _context.CollectWarnings(warnings);
        _context.Data.LoadImagesFromIdx(WriteFile(name, GoodImages), WriteFile("labels", GoodLabels), transposed);
        Assert.HasCount(warned ? 1 : 0, warnings);
        if (warned)
            StringAssert.Contains(warnings[0], "transposed: true");
    }

    [TestMethod]
    public void TheTrainersDataSetNeedsNoFurtherOptions()
    {
        IDataView data = Load(GoodImages, GoodLabels);
        data = _context.Transforms.Conversion.MapValueToKey("Label").Fit(data).Transform(data);
        using ImageDataset dataset = ImageDataset.Load(data, "Image", "Label", new());
        Assert.AreEqual(new ImageShape(1, 2, 4), dataset.Shape);
    }

    [TestMethod]
    public void CursorsRunSideBySideAndShuffled()
    {
        IDataView data = Load(GoodImages, GoodLabels);
        IDataView shuffled = _context.Data.ShuffleRows(data, seed: 1);
        IEnumerable<byte> firsts = shuffled.GetColumn<byte[]>("Image").Select(image => image[0]);
        (string, byte)[] pairs = [.. shuffled.GetColumn<string>("Label").Zip(firsts)];
        CollectionAssert.AreEquivalent(new[] { ("7", (byte)0), ("0", (byte)80), ("200", (byte)160) }, pairs);

        using DataViewRowCursor one = data.GetRowCursor(data.Schema);
        using DataViewRowCursor two = data.GetRowCursor(data.Schema["Label"]);
        Assert.IsTrue(one.MoveNext() && two.MoveNext() && two.MoveNext());
        Assert.AreEqual((0L, 1L), (one.Position, two.Position));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => two.GetGetter<VBuffer<byte>>(data.Schema["Image"]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => two.GetGetter<int>(data.Schema["Label"]));
    }

    [TestMethod]
    public void AShuffledCursorKeepsTheIdOfEachRow()
    {
        IDataView data = Load(GoodImages, GoodLabels);
        using DataViewRowCursor cursor = data.GetRowCursor(data.Schema, new Random(5));
        ValueGetter<DataViewRowId> id = cursor.GetIdGetter();
        ValueGetter<VBuffer<byte>> image = cursor.GetGetter<VBuffer<byte>>(data.Schema["Image"]);
        while (cursor.MoveNext())
        {
            DataViewRowId row = default;
            VBuffer<byte> pixels = default;
            id(ref row);
            image(ref pixels);
            Assert.AreEqual((byte)(80 * row.Low), pixels.GetValues()[0]);
        }
    }

    [TestMethod]
    public void EveryOrderOccursWhenShuffled()
    {
        IDataView data = Load(GoodImages, GoodLabels);
        var orders = new HashSet<string>();
        for (int seed = 0; seed < 60; seed++)
        {
            using DataViewRowCursor cursor = data.GetRowCursor(data.Schema, new Random(seed));
            ValueGetter<ReadOnlyMemory<char>> getter = cursor.GetGetter<ReadOnlyMemory<char>>(data.Schema["Label"]);
            ReadOnlyMemory<char> label = default;
            string order = "";
            while (cursor.MoveNext())
            {
                getter(ref label);
                order += $"{label} ";
            }

            orders.Add(order);
        }

        Assert.HasCount(6, orders);
    }

    [TestMethod]
    public void MalformedFilesAreNamedWithWhatIsWrong()
    {
        AssertBad(Idx(0x801, [3], [1, 2, 3]), "images", "0x00000801, not 0x00000803");
        AssertBad("labels", "0x00000803, not 0x00000801", GoodImages);
        AssertBad([0, 0, 8], "images", "truncated");
        AssertBad([], "images", "truncated");
        AssertBad(GoodImages[..^1], "images", "announces 24 bytes after the header, there are 23");
        AssertBad([.. GoodImages, 1], "images", "announces 24 bytes after the header, there are 25");
        AssertBad(Idx(0x803, [0, 2, 4], []), "images", "impossible size 0 × 2 × 4");
        AssertBad(Idx(0x803, [-3, 2, 4], Pixels), "images", "impossible size");
        AssertBad(Idx(0x803, [1, 100_000, 4], Pixels), "images", "impossible size");
        AssertBad("labels", "it has 2 labels", Idx(0x801, [2], [7, 0]));
        AssertBad(Gzip(GoodImages[..^1]), "images", "truncated");
        AssertBad(Gzip([.. GoodImages, 1]), "images", "more in it than the 3 images");
    }

    [TestMethod]
    public void CutOrDamagedGzipIsAnErrorAtEveryLength()
    {
        byte[] packed = Gzip(GoodImages);
        for (int length = 0; length < packed.Length - 8; length++) // the last eight bytes are a checksum and a length
        {
            try
            {
                IDataView data = Load(packed[..length], GoodLabels);
                CollectionAssert.AreEqual(Pixels, data.GetColumn<byte[]>("Image").SelectMany(image => image).ToArray());
                Assert.IsGreaterThan(packed.Length - 12, length, "only the end mark of the compressed data may be missing");
            }
            catch (InvalidDataException exception)
            {
                StringAssert.Contains(exception.Message, "images' cannot be read as IDX");
            }
        }
    }

    [TestMethod]
    public void AnImplausibleHeaderIsRefusedBeforeMemoryIsReserved()
    {
        byte[] plain = Idx(0x803, [int.MaxValue, 8000, 8000], Pixels);
        long before = GC.GetAllocatedBytesForCurrentThread();
        AssertBad(plain, "images", "announces 137438953408000000 bytes");
        AssertBad(Gzip(plain), "images", "not plausible");
        Assert.IsLessThan(5_000_000, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [TestMethod]
    public void AMissingFileIsNamed() =>
        StringAssert.Contains(Assert.ThrowsExactly<FileNotFoundException>(
            () => _context.Data.LoadImagesFromIdx(Path.Combine(_folder, "none"), "x")).Message, "none");

    private static byte[] Idx(uint magic, int[] dimensions, byte[] content)
    {
        byte[] header = new byte[4 + (4 * dimensions.Length)];
        BinaryPrimitives.WriteUInt32BigEndian(header, magic);
        for (int i = 0; i < dimensions.Length; i++)
            BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4 + (4 * i)), dimensions[i]);
        return [.. header, .. content];
    }

    private static byte[] Gzip(byte[] content)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            gzip.Write(content);
        return packed.ToArray();
    }

    private IDataView Load(byte[] images, byte[] labels) =>
        _context.Data.LoadImagesFromIdx(WriteFile("images", images), WriteFile("labels", labels));

    private string WriteFile(string name, byte[] content)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, content);
        return path;
    }

    private void AssertBad(byte[] images, string file, string reason) => AssertBad(images, GoodLabels, file, reason);

    private void AssertBad(string file, string reason, byte[] labels) => AssertBad(GoodImages, labels, file, reason);

    private void AssertBad(byte[] images, byte[] labels, string file, string reason)
    {
        string message = Assert.ThrowsExactly<InvalidDataException>(() => Load(images, labels)).Message;
        StringAssert.Contains(message, Path.Combine(_folder, file));
        StringAssert.Contains(message, reason);
    }
}
