namespace Microsoft.ML.SharpnessAware.Tests.Fuzzing;

[TestClass]
public sealed class PixelCacheFuzzTests
{
    public TestContext TestContext { get; set; } = null!;

    /// <summary>A damaged file is written again, so the reader returns null for it and throws nothing.</summary>
    [TestMethod]
    public void CacheFilesAreReadOrFoundDamaged()
    {
        byte[][] valid = [File(Trailer(2)), File(Trailer(2) with { BadRows = [1, 4] })];
        var fuzzing = new ReaderFuzzer(TestContext, "pixel cache") { Documented = e => e is Damaged, ConstantBytes = 256 << 10 };
        fuzzing.Run(valid, file =>
        {
            using var stream = new MemoryStream(file);
            _ = CacheTrailer.Read(stream) ?? throw new Damaged();
        });
    }

    /// <summary>As if whoever damaged it had made the checksum right again.</summary>
    [TestMethod]
    public void TrailersBeneathTheChecksumLoadOrAreRefused()
    {
        byte[][] valid = [Block(Trailer(2)), Block(Trailer(2) with { BadRows = [1, 4] })];
        var fuzzing = new ReaderFuzzer(TestContext, "pixel cache, beneath the checksum")
        {
            Documented = e => e is FormatException or EndOfStreamException,
            ConstantBytes = 256 << 10,
        };
        fuzzing.Run(valid, block =>
        {
            using var reader = new BinaryReader(new MemoryStream(block));
            CacheTrailer trailer = CacheTrailer.ReadBlock(reader);
            Assert.IsTrue(trailer.Count >= 0 && trailer.Shape is { Channels: > 0, Height: > 0, Width: > 0 });
        });
    }

    private static CacheTrailer Trailer(long count) => new()
    {
        Converted = 0,
        Settings = "version 1, Stretch",
        Content = new byte[32],
        Checksum = new byte[32],
        Type = TorchSharp.torch.ScalarType.Byte,
        Shape = new ImageShape(3, 2, 2),
        Count = count,
        BadRows = [],
    };

    private static byte[] File(CacheTrailer trailer)
    {
        using var file = new MemoryStream();
        file.Write(new byte[trailer.Count * trailer.ImageBytes]);
        trailer.Write(file);
        return file.ToArray();
    }

    /// <summary>What is between the checksum and length of the block, and where it starts and the magic number.</summary>
    private static byte[] Block(CacheTrailer trailer) => File(trailer)[(int)((trailer.Count * trailer.ImageBytes) + 36)..^16];

    private sealed class Damaged : Exception;
}
