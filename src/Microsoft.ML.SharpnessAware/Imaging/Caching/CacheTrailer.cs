using System.Security.Cryptography;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What stands behind the pixels in a file of the cache: what they were made of, and what it takes to notice damage.</summary>
/// <remarks>
/// <code>
/// *** File format ***
/// byte[count × C × H × W × size of a value]  pixels, in the order of the rows
/// CheckedBlock of
///     string    settings
///     byte[32]  SHA-256 of the content, the images as the data had them
///     byte[32]  SHA-256 of the pixels
///     byte      type: 0 Byte, 1 Float32
///     int × 3   channels, height, width
///     long      count of images
///     long      how many of them were converted from grey to colour or back
///     int, long × that many: the rows, counted from 0, that are left out because their image is bad
/// long      where the block starts
/// byte[8]   "MLSPIX02"
/// </code>
/// </remarks>
internal sealed record CacheTrailer
{
    private const int EndLength = 16;

    public required string Settings { get; init; }

    public required byte[] Content { get; init; }

    public required byte[] Checksum { get; init; }

    public required ScalarType Type { get; init; }

    public required ImageShape Shape { get; init; }

    public required long Count { get; init; }

    public required long Converted { get; init; }

    public required long[] BadRows { get; init; }

    public int ImageBytes => checked(Shape.ValueCount * (int)Type.ElementSize());

    private static ReadOnlySpan<byte> Magic => "MLSPIX02"u8;

    /// <summary>Reads the trailer of a whole file; null where the file is damaged or not one of these.</summary>
    public static CacheTrailer? Read(Stream file)
    {
        if (file.Length < EndLength)
            return null;
        using var reader = new BinaryReader(file, System.Text.Encoding.UTF8, leaveOpen: true);
        file.Position = file.Length - EndLength;
        long start = reader.ReadInt64();
        if (!reader.ReadBytes(Magic.Length).AsSpan().SequenceEqual(Magic) || start < 0 || start > file.Length - EndLength)
            return null;
        try
        {
            file.Position = start;
            using var block = new BinaryReader(new MemoryStream(CheckedBlock.Read(reader, "trailer")));
            CacheTrailer trailer = ReadBlock(block);
            return checked(trailer.Count * trailer.ImageBytes) == start && file.Position == file.Length - EndLength ? trailer : null;
        }
        catch (Exception exception) when (exception is FormatException or EndOfStreamException or OverflowException)
        {
            return null;
        }
    }

    /// <summary>Writes it at the end of a file that holds all pixels and nothing else.</summary>
    public void Write(Stream file)
    {
        long start = file.Position;
        using var block = new MemoryStream();
        using (var writer = new BinaryWriter(block))
        {
            writer.Write(Settings);
            writer.Write(Content);
            writer.Write(Checksum);
            writer.Write((byte)(Type == ScalarType.Byte ? 0 : 1));
            writer.Write(Shape.Channels);
            writer.Write(Shape.Height);
            writer.Write(Shape.Width);
            writer.Write(Count);
            writer.Write(Converted);
            writer.Write(BadRows.Length);
            foreach (long row in BadRows)
                writer.Write(row);
        }

        using var end = new BinaryWriter(file, System.Text.Encoding.UTF8, leaveOpen: true);
        CheckedBlock.Write(end, block.ToArray());
        end.Write(start);
        end.Write(Magic);
    }

    /// <exception cref="FormatException">The block ends early or contradicts itself.</exception>
    internal static CacheTrailer ReadBlock(BinaryReader block)
    {
        try
        {
            return ReadTrailer(block);
        }
        catch (IOException e)
        {
            throw new FormatException("The block ends early, or its text has a negative length.", e);
        }
    }

    private static CacheTrailer ReadTrailer(BinaryReader block)
    {
        var trailer = new CacheTrailer
        {
            Settings = block.ReadString(),
            Content = block.ReadBytes(SHA256.HashSizeInBytes),
            Checksum = block.ReadBytes(SHA256.HashSizeInBytes),
            Type = block.ReadByte() == 0 ? ScalarType.Byte : ScalarType.Float32,
            Shape = new ImageShape(block.ReadInt32(), block.ReadInt32(), block.ReadInt32()),
            Count = block.ReadInt64(),
            Converted = block.ReadInt64(),
            BadRows = ReadBadRows(block),
        };
        (int channels, int height, int width) = trailer.Shape;
        return channels > 0 && height > 0 && width > 0 && trailer.Count >= 0
            ? trailer
            : throw new FormatException($"{trailer.Count} images of {channels} × {height} × {width} values.");
    }

    private static long[] ReadBadRows(BinaryReader block)
    {
        int count = block.ReadInt32();
        if (count < 0 || count != (block.BaseStream.Length - block.BaseStream.Position) / sizeof(long))
            throw new FormatException($"{count} bad rows do not fit the block.");
        long[] rows = new long[count];
        for (int i = 0; i < count; i++)
            rows[i] = block.ReadInt64();
        return rows;
    }
}
