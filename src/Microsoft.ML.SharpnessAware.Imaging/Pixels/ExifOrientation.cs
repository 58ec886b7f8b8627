using System.Buffers.Binary;
using SkiaSharp;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Turns stored pixels the way a camera says they are to be looked at: the EXIF tag Orientation of JPEG (segment APP1), PNG (chunk eXIf,
/// before or after the pixels) and WebP (chunk EXIF).
/// </summary>
internal static class ExifOrientation
{
    private const int OrientationTag = 0x112;
    private const int ShortType = 3;

    // A byte to fill up follows, which is not always 0.
    private static ReadOnlySpan<byte> Header => "Exif\0"u8;

    /// <summary>The orientation that a file asks for; <see cref="SKEncodedOrigin.TopLeft"/>, as stored, where it asks for none.</summary>
    public static SKEncodedOrigin Of(ReadOnlySpan<byte> file)
    {
        ReadOnlySpan<byte> exif = file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8]) ? InJpeg(file)
            : file.StartsWith((ReadOnlySpan<byte>)[0x89, .. "PNG"u8]) ? InPng(file)
            : file.StartsWith("RIFF"u8) ? InWebp(file)
            : default;
        // Part of JPEG's segment; some programs write it into the others' chunks too.
        return InTiff(HasHeader(exif) ? exif[(Header.Length + 1)..] : exif);
    }

    /// <summary>Whether rows become columns, so that width and height change places.</summary>
    public static bool SwapsSides(this SKEncodedOrigin origin) => origin >= SKEncodedOrigin.LeftTop;

    /// <summary>Whether columns are seen in the opposite order to how they are stored, as columns or as rows.</summary>
    public static bool MirrorsColumns(this SKEncodedOrigin origin) => origin is SKEncodedOrigin.TopRight or SKEncodedOrigin.BottomRight
        or SKEncodedOrigin.RightBottom or SKEncodedOrigin.LeftBottom;

    /// <summary>Whether rows are, likewise.</summary>
    public static bool MirrorsRows(this SKEncodedOrigin origin) => origin is SKEncodedOrigin.BottomRight or SKEncodedOrigin.BottomLeft
        or SKEncodedOrigin.RightTop or SKEncodedOrigin.RightBottom;

    /// <summary>Copies one plane, <paramref name="width"/> × <paramref name="height"/> as stored, to how it is to be seen.</summary>
    public static void Apply(this SKEncodedOrigin origin, ReadOnlySpan<byte> stored, int width, int height, Span<byte> seen)
    {
        // Index in the seen plane of the stored pixel (0, 0), and how it moves with each stored column and row.
        int seenWidth = origin.SwapsSides() ? height : width;
        int right = seenWidth - 1;
        int bottom = (stored.Length / seenWidth - 1) * seenWidth;
        (int first, int column, int row) = origin switch
        {
            SKEncodedOrigin.TopRight => (right, -1, seenWidth),
            SKEncodedOrigin.BottomRight => (bottom + right, -1, -seenWidth),
            SKEncodedOrigin.BottomLeft => (bottom, 1, -seenWidth),
            SKEncodedOrigin.LeftTop => (0, seenWidth, 1),
            SKEncodedOrigin.RightTop => (right, seenWidth, -1),
            SKEncodedOrigin.RightBottom => (bottom + right, -seenWidth, -1),
            SKEncodedOrigin.LeftBottom => (bottom, -seenWidth, 1),
            _ => (0, 1, seenWidth),
        };

        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
                seen[first + (x * column) + (y * row)] = stored[(y * width) + x];
        }
    }

    private static bool HasHeader(ReadOnlySpan<byte> exif) => exif.Length > Header.Length + 1 && exif.StartsWith(Header);

    private static ReadOnlySpan<byte> InJpeg(ReadOnlySpan<byte> file)
    {
        const byte App1 = 0xE1;
        foreach (JpegSegment segment in new JpegSegments(file))
        {
            if (segment.Marker == App1 && HasHeader(segment.Content))
                return segment.Content;
        }

        return default;
    }

    private static ReadOnlySpan<byte> InPng(ReadOnlySpan<byte> file)
    {
        for (int at = 8; at + 12 <= file.Length;)
        {
            ReadOnlySpan<byte> chunk = Part(file, at + 8, BinaryPrimitives.ReadUInt32BigEndian(file[at..]));
            if (file[(at + 4)..].StartsWith("eXIf"u8))
                return chunk;
            at += 12 + chunk.Length;
        }

        return default;
    }

    private static ReadOnlySpan<byte> InWebp(ReadOnlySpan<byte> file)
    {
        for (int at = 12; at + 8 <= file.Length;)
        {
            ReadOnlySpan<byte> chunk = Part(file, at + 8, BinaryPrimitives.ReadUInt32LittleEndian(file[(at + 4)..]));
            if (file[at..].StartsWith("EXIF"u8))
                return chunk;
            at += 8 + chunk.Length + (chunk.Length & 1);
        }

        return default;
    }

    private static SKEncodedOrigin InTiff(ReadOnlySpan<byte> tiff)
    {
        bool isLittleEndian = tiff.StartsWith("II*\0"u8);
        if (!isLittleEndian && !tiff.StartsWith("MM\0*"u8))
            return SKEncodedOrigin.TopLeft;
        ReadOnlySpan<byte> directory = Part(tiff, Number(tiff[4..], bytes: 4), tiff.Length);
        long entries = Number(directory, bytes: 2);
        for (int i = 0; i < entries; i++)
        {
            ReadOnlySpan<byte> entry = Part(directory, 2 + (12L * i), 12);
            if (entry.Length < 12)
                break;
            if (Number(entry, bytes: 2) == OrientationTag && Number(entry[2..], bytes: 2) == ShortType
                && Number(entry[8..], bytes: 2) is >= 1 and <= 8 and long value)
                return (SKEncodedOrigin)value;
        }

        return SKEncodedOrigin.TopLeft;

        long Number(ReadOnlySpan<byte> from, int bytes) => from.Length < bytes ? 0 : (bytes, isLittleEndian) switch
        {
            (2, true) => BinaryPrimitives.ReadUInt16LittleEndian(from),
            (2, false) => BinaryPrimitives.ReadUInt16BigEndian(from),
            (_, true) => BinaryPrimitives.ReadUInt32LittleEndian(from),
            _ => BinaryPrimitives.ReadUInt32BigEndian(from),
        };
    }

    /// <summary>The bytes from a place on, as many as there are of them.</summary>
    private static ReadOnlySpan<byte> Part(ReadOnlySpan<byte> bytes, long from, long length)
    {
        long start = Math.Min(from, bytes.Length);
        return bytes.Slice((int)start, (int)Math.Clamp(length, 0, bytes.Length - start));
    }
}
