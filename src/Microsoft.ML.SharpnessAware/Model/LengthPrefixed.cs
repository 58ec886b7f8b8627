namespace Microsoft.ML.SharpnessAware;

/// <summary>Bytes with their length before them. A wrong length in a damaged file allocates no more than the file has.</summary>
internal static class LengthPrefixed
{
    public static void WriteBytes(this BinaryWriter writer, ReadOnlySpan<byte> bytes)
    {
        writer.Write(bytes.Length);
        writer.Write(bytes);
    }

    /// <exception cref="InvalidDataException">The length is negative, or more than there is.</exception>
    public static byte[] ReadBytesWithLength(this BinaryReader reader)
    {
        int length = reader.ReadInt32();
        long left = reader.BaseStream.Length - reader.BaseStream.Position;
        if (length < 0 || length > left)
            throw new InvalidDataException($"The checkpoint is damaged: a part of {length} bytes is announced where {left} are left.");
        return reader.ReadBytes(length);
    }
}
