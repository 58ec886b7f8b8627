using System.Buffers.Binary;
using System.IO.Compression;

namespace Microsoft.ML.SharpnessAware.Tests.Fuzzing;

[TestClass]
public sealed class DataFileFuzzTests
{
    private const int PixelBytes = 3 * 32 * 32;

    private static readonly MLContext MLContext = new(1);
    private static readonly byte[] Images = Idx(0x803, [5, 4, 3], 60);
    private static readonly byte[] Labels = Idx(0x801, [5], 5);

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    [DataRow("images")]
    [DataRow("labels")]
    public void IdxFilesLoadOrAreRefused(string which)
    {
        using var folder = new TemporaryFolder();
        (string images, string labels) = (folder.File("images"), folder.File("labels"));
        File.WriteAllBytes(images, Images);
        File.WriteAllBytes(labels, Labels);
        string path = which == "images" ? images : labels;
        byte[] plain = which == "images" ? Images : Labels;
        byte[][] valid = [plain, Gzip(plain)];
        var fuzzing = new ReaderFuzzer(TestContext, $"IDX {which}")
        {
            Documented = e => e.GetType() == typeof(InvalidDataException) && e.Message.Contains(folder.Path, StringComparison.Ordinal),
            ConstantBytes = 96 << 20, // what a compressed file may announce without more ado, and a little
        };
        fuzzing.Run(
            valid,
            // What is unpacked is reached only where the packing is right.
            random => random.Next(3) == 0 ? Gzip(ReaderFuzzer.Mutant(random, [plain])) : ReaderFuzzer.Mutant(random, valid),
            file =>
            {
                File.WriteAllBytes(path, file);
                ReadAll(MLContext.Data.LoadImagesFromIdx(images, labels));
            });
    }

    [TestMethod]
    public void SmallArchivesOfManyLabelsAndImagesTakeLittleMemory()
    {
        using var folder = new TemporaryFolder();
        (string images, string labels) = (folder.File("images"), folder.File("labels"));
        const int Count = 60 << 20;
        File.WriteAllBytes(images, Gzip([.. Idx(0x803, [Count, 1, 1], 0), .. new byte[Count]]));
        File.WriteAllBytes(labels, Gzip([.. Idx(0x801, [Count], 0), .. new byte[Count]]));
        Assert.IsLessThan(1 << 20, new FileInfo(labels).Length);

        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.AreEqual(Count, MLContext.Data.LoadImagesFromIdx(images, labels).GetRowCount());
        Assert.IsLessThan(4L * Count, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [TestMethod]
    public void CifarFilesLoadOrAreRefused()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("data_batch.bin");
        byte[][] valid = [Cifar(3, 1), Cifar(2, 2)];
        var fuzzing = new ReaderFuzzer(TestContext, "CIFAR")
        {
            Documented = e => e.GetType() == typeof(InvalidDataException) && e.Message.Contains(path, StringComparison.Ordinal),
        };
        fuzzing.Run(valid, file =>
        {
            File.WriteAllBytes(path, file);
            ReadAll(MLContext.Data.LoadImagesFromCifar(path));
        });
    }

    private static void ReadAll(IDataView data)
    {
        foreach (PixelBytesRow row in MLContext.Data.CreateEnumerable<PixelBytesRow>(data, reuseRowObject: true).Take(100))
            Assert.IsNotEmpty(row.Image);
    }

    private static byte[] Idx(uint magic, int[] dimensions, int contentBytes)
    {
        byte[] file = new byte[4 + (4 * dimensions.Length) + contentBytes];
        BinaryPrimitives.WriteUInt32BigEndian(file, magic);
        for (int i = 0; i < dimensions.Length; i++)
            BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(4 + (4 * i)), dimensions[i]);
        return file;
    }

    private static byte[] Cifar(int count, int labelBytes)
    {
        byte[] file = new byte[count * (labelBytes + PixelBytes)];
        new Random(1).NextBytes(file);
        for (int i = 0; i < count; i++)
            file.AsSpan(i * (labelBytes + PixelBytes), labelBytes).Fill((byte)(i + 1));
        return file;
    }

    private static byte[] Gzip(byte[] content)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            gzip.Write(content);
        return packed.ToArray();
    }

    private sealed class PixelBytesRow
    {
        public string Label { get; set; } = "";

        public byte[] Image { get; set; } = [];
    }
}
