using System.Text;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What ML.NET's binary encoding says of a vector before its values. ML.NET's reader believes the sizes and makes arrays of them, and
/// follows types within types as deep as they go; this looks first.
/// </summary>
internal static class LabelValuesFormat
{
    // *** Binary format *** (of ML.NET)
    // string: "VBuffer"; LEB128: bytes of what describes it:
    //     string: type of the values; LEB128: bytes of what describes that, 0 for simple types
    //     of keys, "Key2": string: type of the keys; LEB128: 0; ulong: greatest key
    //     int: number of dimensions, int[]: dimensions
    // int: number of vectors
    // int: length of the vector; where that is 0, int: length of the vector
    // int: number of values that are stored, -1 for all
    // int: number of indices, int[]: indices
    // values

    private const string Key = "Key2";
    private const int MostValuesInAByte = 8; // booleans

    /// <summary>Checks a vector of a simple type, or of keys, as the values of a label are that was a key before, and leaves the stream
    /// at its beginning.</summary>
    /// <param name="stream">Seekable.</param>
    /// <param name="count">The length that the vector must have.</param>
    /// <exception cref="FormatException">The vector is another one.</exception>
    /// <exception cref="EndOfStreamException">The stream ends before the values.</exception>
    /// <exception cref="IOException">A text has a negative length.</exception>
    public static void Check(Stream stream, int count)
    {
        long start = stream.Position;
        using var reader = new BinaryReader(stream, Encoding.UTF8, leaveOpen: true);
        Require(reader.ReadString() == "VBuffer", "are not a list");
        reader.Read7BitEncodedInt64();
        bool areKeys = reader.ReadString() == Key;
        long bytes = reader.Read7BitEncodedInt64();
        if (areKeys)
        {
            long end = stream.Position + bytes;
            reader.ReadString();
            bytes = reader.Read7BitEncodedInt64();
            reader.ReadUInt64();
            Require(stream.Position == end, "are not of a simple type");
        }

        Require(bytes == 0, "are not of a simple type");
        Require(reader.ReadInt32() == 1 && reader.ReadInt32() == count, $"are not one for each of the {count} classes");

        Require(reader.ReadInt32() == 1 && reader.ReadInt32() == count, $"are not one for each of the {count} classes");
        int stored = reader.ReadInt32(), indices = reader.ReadInt32();
        Require(stored == -1 ? indices == 0 : stored >= 0 && stored < count && indices == stored, "contradict each other");
        long left = stream.Length - stream.Position;
        Require(indices <= left / sizeof(int) && count / MostValuesInAByte <= left, $"are said to be {count}, but {left} bytes are left");
        stream.Position = start;
    }

    private static void Require(bool holds, string problem)
    {
        if (!holds)
            throw new FormatException(
                $"The label values in the model file cannot be read: they {problem}. The file is damaged; copy or save it again.");
    }
}
