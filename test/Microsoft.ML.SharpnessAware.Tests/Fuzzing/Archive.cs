using System.Buffers.Binary;
using System.IO.Compression;
using System.Security.Cryptography;

namespace Microsoft.ML.SharpnessAware.Tests.Fuzzing;

/// <summary>A zip archive as names and contents, and the checked blocks inside.</summary>
internal static class Archive
{
    public static List<(string Name, byte[] Content)> Read(byte[] file)
    {
        using var zip = new ZipArchive(new MemoryStream(file));
        return [.. zip.Entries.Select(entry => (entry.FullName, Content(entry)))];
    }

    public static byte[] Write(
        IEnumerable<(string Name, byte[] Content)> entries, CompressionLevel compression = CompressionLevel.Fastest)
    {
        using var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach ((string name, byte[] content) in entries)
            {
                using Stream entry = zip.CreateEntry(name, compression).Open();
                entry.Write(content);
            }
        }

        return stream.ToArray();
    }

    /// <summary>Where a checked block lies in an entry: its first byte, and that of its content; null where there is none.</summary>
    public static (int Start, int Content, int Length)? FindBlock(ReadOnlySpan<byte> entry)
    {
        const int Header = SHA256.HashSizeInBytes + sizeof(int);
        for (int start = 0; start + Header < entry.Length; start++)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(entry[(start + SHA256.HashSizeInBytes)..]);
            if (length > 0 && length <= entry.Length - start - Header
                && SHA256.HashData(entry.Slice(start + Header, length)).AsSpan().SequenceEqual(entry.Slice(start, SHA256.HashSizeInBytes)))
                return (start, start + Header, length);
        }

        return null;
    }

    private static byte[] Content(ZipArchiveEntry entry)
    {
        using Stream stream = entry.Open();
        using var content = new MemoryStream();
        stream.CopyTo(content);
        return content.ToArray();
    }
}
