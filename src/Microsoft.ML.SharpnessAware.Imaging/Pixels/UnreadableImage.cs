using System.Globalization;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Says of bytes that cannot be decoded what they are instead, and what to do with them.</summary>
internal static class UnreadableImage
{
    private const string SaveAs = "; save it as JPEG or PNG";

    public static InvalidDataException Error(ReadOnlySpan<byte> file)
    {
        string? format = ImageFormat.Of(file);
        string what = format is null
            ? "not an image (png, jpg, gif, bmp, webp or ico)" + (Other(file) is string other ? $" but {other}" : ", or too few of one")
            : format == "JPEG" && UnusualJpeg(file) is string kind
                ? $"a JPEG image {kind}, which is not read; save it as JPEG of the usual kind or PNG"
                : "";
        return new InvalidDataException(what.Length > 0 ? $"the {file.Length} bytes are {what}."
            : $"the {file.Length} bytes begin like a {format} image, but are too few of one or damaged.");
    }

    private static string? Other(ReadOnlySpan<byte> file)
    {
        ReadOnlySpan<byte> box = file.Length >= 12 ? file[4..12] : default; // of ISO base media files: its type, and then a brand
        if (box.StartsWith("ftyp"u8))
        {
            return box.EndsWith("avif"u8) || box.EndsWith("avis"u8) ? "an AVIF image" + SaveAs
                : box[4] == 'h' || box.EndsWith("mif1"u8) || box.EndsWith("msf1"u8) ? "a HEIC image" + SaveAs
                : "a video (MP4 or similar)";
        }

        return file.StartsWith("II*\0"u8) || file.StartsWith("MM\0*"u8) ? "a TIFF image or a raw photograph" + SaveAs
            : box.StartsWith("jP  "u8) || file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0x4F, 0xFF, 0x51]) ? "a JPEG 2000 image" + SaveAs
            : box.StartsWith("JXL "u8) || file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0x0A]) ? "a JPEG XL image" + SaveAs
            : file.StartsWith("8BPS"u8) ? "a Photoshop image" + SaveAs
            : file.StartsWith("%PDF"u8) ? "a PDF file"
            : file.StartsWith("PK"u8) || file.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B]) ? "a packed file; unpack it first"
            : file.StartsWith("version https://git-lfs"u8) ? "a pointer of Git LFS; get the file itself with git lfs pull"
            : IsText(file) ? "text"
            : null;
    }

    private static bool IsText(ReadOnlySpan<byte> file)
    {
        foreach (byte value in file[..Math.Min(file.Length, 512)])
        {
            if (value is < 0x20 and not ((byte)'\t' or (byte)'\n' or (byte)'\r') or 0x7F)
                return false;
        }

        return file.Length >= 12; // fewer may be anything
    }

    /// <summary>What a JPEG header asks for that decoders do not offer.</summary>
    private static string? UnusualJpeg(ReadOnlySpan<byte> file)
    {
        foreach (JpegSegment segment in new JpegSegments(file))
        {
            if (segment.Marker is not (>= 0xC0 and <= 0xCF and not 0xC4 and not 0xC8 and not 0xCC) || segment.Content.Length < 6)
                continue;
            ReadOnlySpan<byte> frame = segment.Content;
            return segment.Marker is not (0xC0 or 0xC1 or 0xC2 or 0xC9 or 0xCA) ? "of the lossless kind"
                : frame[0] != 8 ? string.Create(CultureInfo.InvariantCulture, $"of {frame[0]} bits a colour")
                : frame[1] == 0 && frame[2] == 0 ? "whose height is not in its header"
                : frame[5] is not (1 or 3 or 4) ? string.Create(CultureInfo.InvariantCulture, $"of {frame[5]} colour components")
                : null;
        }

        return null;
    }
}
