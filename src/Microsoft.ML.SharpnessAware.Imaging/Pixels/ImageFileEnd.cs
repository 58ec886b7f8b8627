using System.Buffers.Binary;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Finds what decoders pass over in silence: a file that ends after its pixels and before what says how they are to be seen, an icon
/// of which only a smaller size is there, a GIF without colours. (<see cref="JpegScan"/> does this for JPEG.)
/// </summary>
internal static class ImageFileEnd
{
    private const int GifHeader = 13, GifColors = 0x80;

    /// <exception cref="InvalidDataException">Part of the image is not there.</exception>
    public static void Check(ReadOnlySpan<byte> file)
    {
        switch (ImageFormat.Of(file))
        {
            case "PNG":
                CheckPng(file);
                break;
            case "WebP":
                CheckWebp(file);
                break;
            case "ICO":
                CheckIcon(file);
                break;
            case "GIF":
                CheckGif(file);
                break;
        }
    }

    private static void CheckPng(ReadOnlySpan<byte> file)
    {
        for (long at = 8; at + 12 <= file.Length; at += 12 + BinaryPrimitives.ReadUInt32BigEndian(file[(int)at..]))
        {
            if (file[(int)(at + 4)..].StartsWith("IEND"u8))
                return;
        }

        throw new InvalidDataException("the image is truncated: the file ends before its last part (IEND).");
    }

    private static void CheckWebp(ReadOnlySpan<byte> file)
    {
        long length = 8L + BinaryPrimitives.ReadUInt32LittleEndian(file[4..]);
        if (file.Length + 1 < length) // whose last byte may only fill up
            throw new InvalidDataException($"the image is truncated: the file has {file.Length} bytes of {length}.");
    }

    private static void CheckIcon(ReadOnlySpan<byte> file)
    {
        int count = BinaryPrimitives.ReadUInt16LittleEndian(Part(file, 4, 2));
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> entry = Part(file, 6 + (16 * i), 16);
            if ((long)BinaryPrimitives.ReadUInt32LittleEndian(entry[8..]) + BinaryPrimitives.ReadUInt32LittleEndian(entry[12..])
                > file.Length)
                throw new InvalidDataException($"the image is truncated: one of its {count} sizes lies beyond the end of the file.");
        }
    }

    private static void CheckGif(ReadOnlySpan<byte> file)
    {
        byte flags = Part(file, 0, GifHeader)[10];
        bool hasColors = (flags & GifColors) != 0;
        int at = GifHeader + (hasColors ? 3 << ((flags & 7) + 1) : 0);
        while (Part(file, at, 1)[0] == 0x21) // an extension: its label, and blocks of which one of no length is the last
        {
            at += 2;
            while (Part(file, at, 1)[0] is > 0 and byte length)
                at += 1 + length;
            at++;
        }

        if (file[at] == 0x2C && !hasColors && (Part(file, at, 10)[9] & GifColors) == 0)
            throw new InvalidDataException("the image is damaged: it has no colours.");
    }

    private static ReadOnlySpan<byte> Part(ReadOnlySpan<byte> file, int at, int length) => at + length <= file.Length
        ? file.Slice(at, length) : throw new InvalidDataException("the image is truncated: the file ends within one of its parts.");
}
