using System.Security.Cryptography;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Bytes in a model file with their checksum before them, so that damage is noticed before anything is made of them.</summary>
internal static class CheckedBlock
{
    /// <summary>Writes byte[32], the SHA-256; int, the length; and the bytes.</summary>
    public static void Write(BinaryWriter writer, byte[] content)
    {
        writer.Write(SHA256.HashData(content));
        writer.Write(content.Length);
        writer.Write(content);
    }

    /// <exception cref="FormatException">The content is not what was written; <paramref name="what"/> names it.</exception>
    /// <exception cref="EndOfStreamException">The file is cut short.</exception>
    public static byte[] Read(BinaryReader reader, string what)
    {
        byte[] checksum = reader.ReadBytes(SHA256.HashSizeInBytes);
        byte[] content = ReadExactly(reader, reader.ReadInt32(), what);
        CheckSum(content, checksum, what);
        return content;
    }

    /// <summary>Grows with what is really there, so that a wrong length in a damaged file cannot make it allocate gigabytes.</summary>
    public static byte[] ReadExactly(BinaryReader reader, long length, string what)
    {
        if (length is < 0 or > int.MaxValue)
            throw new FormatException($"The model file gives its {what} a length of {length} bytes: it is damaged. Copy or save it again.");
        using var bytes = new MemoryStream();
        byte[] block = new byte[1 << 16];
        while (bytes.Length < length)
        {
            int read = reader.Read(block, 0, (int)Math.Min(block.Length, length - bytes.Length));
            if (read == 0)
                throw new EndOfStreamException();
            bytes.Write(block, 0, read);
        }
        return bytes.ToArray();
    }

    public static void CheckSum(byte[] content, byte[] expected, string what)
    {
        if (!SHA256.HashData(content).AsSpan().SequenceEqual(expected))
            throw new FormatException($"The checksum of the model file's {what} is wrong: the file is damaged. Copy or save it again.");
    }
}
