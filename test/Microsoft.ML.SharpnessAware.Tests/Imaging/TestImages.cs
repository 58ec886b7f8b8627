using System.Buffers.Binary;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.ML.Data;
using SkiaSharp;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Image files made on the spot.</summary>
internal static class TestImages
{
    public static byte[] Encode(
        int width, int height, Func<int, int, SKColor> color, SKEncodedImageFormat format = SKEncodedImageFormat.Png)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul));
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
                bitmap.SetPixel(x, y, color(x, y));
        }

        using SKData data = bitmap.Encode(format, 100);
        return data.ToArray();
    }

    public static byte[] EncodeGrey(
        int width, int height, Func<int, int, byte> grey, SKEncodedImageFormat format = SKEncodedImageFormat.Png)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Gray8, SKAlphaType.Opaque));
        for (int i = 0; i < width * height; i++)
            Marshal.WriteByte(bitmap.GetPixels(), ((i / width) * bitmap.RowBytes) + (i % width), grey(i % width, i / width));
        using SKData data = bitmap.Encode(format, 100);
        return data.ToArray();
    }

    /// <summary>A JPEG file with the EXIF tag Orientation.</summary>
    public static byte[] WithOrientation(byte[] jpeg, byte orientation, bool bigEndian = false)
    {
        byte[] exif = Exif(orientation, bigEndian);
        return [.. jpeg[..2], 0xFF, 0xE1, 0, (byte)(8 + exif.Length), .. "Exif\0\0"u8, .. exif, .. jpeg[2..]];
    }

    /// <summary>A PNG file with the EXIF tag Orientation, before or after the pixels.</summary>
    public static byte[] WithPngOrientation(byte[] png, byte orientation, bool bigEndian = false, bool afterPixels = false,
        bool prefix = false)
    {
        byte[] exif = Exif(orientation, bigEndian);
        int at = afterPixels ? png.Length - 12 : 8 + 25;
        return [.. png[..at], .. Chunk("eXIf"u8, prefix ? [.. "Exif\0\0"u8, .. exif] : exif), .. png[at..]];
    }

    /// <summary>A WebP file with the EXIF tag Orientation, as the standard says or with the prefix that Pillow wrote until 9.2.</summary>
    public static byte[] WithWebpOrientation(byte[] webp, int width, int height, byte orientation, bool bigEndian = false,
        bool prefix = false)
    {
        byte[] exif = Exif(orientation, bigEndian);
        if (prefix)
            exif = [.. "Exif\0\0"u8, .. exif];
        byte[] extended = [8, 0, 0, 0, (byte)(width - 1), 0, 0, (byte)(height - 1), 0, 0];
        byte[] content = [.. "WEBPVP8X"u8, 10, 0, 0, 0, .. extended, .. webp[12..], .. "EXIF"u8, (byte)exif.Length, 0, 0, 0, .. exif];
        return [.. "RIFF"u8, .. BitConverter.GetBytes(content.Length), .. content];
    }

    private static byte[] Exif(byte orientation, bool bigEndian) => bigEndian
        ? [.. "MM\0*"u8, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]
        : [.. "II*\0"u8, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0];

    /// <summary>A BMP file of 24 bits a pixel, of noise.</summary>
    public static byte[] Bmp24(int width, int height, Random random)
    {
        byte[] header = BmpHeader(40, width, height), pixels = new byte[height * (((3 * width) + 3) / 4 * 4)];
        header[14] = 24;
        random.NextBytes(pixels);
        return [.. "BM"u8, .. BitConverter.GetBytes(54 + pixels.Length), 0, 0, 0, 0, 54, 0, 0, 0, .. header, .. pixels];
    }

    /// <summary>A GIF file of two colours, of noise, whose codes are never packed: a clear code after each two pixels keeps them at 3
    /// bits.</summary>
    public static byte[] Gif(int width, int height, Random random)
    {
        var bits = new List<bool>();
        for (int i = 0; i < width * height; i++)
        {
            if (i % 2 == 0)
                Add(4); // clear
            Add(random.Next(2));
        }

        Add(5); // end
        byte[] data = [.. bits.Chunk(8).Select(eight => (byte)eight.Select((bit, i) => bit ? 1 << i : 0).Sum())];
        return
        [
            .. "GIF89a"u8, (byte)width, 0, (byte)height, 0, 0x80, 0, 0, 250, 130, 10, 0, 0, 128, 0x2C, 0, 0, 0, 0, (byte)width, 0,
                (byte)height, 0, 0, 2,
            .. data.Chunk(255).SelectMany(part => (byte[])[(byte)part.Length, .. part]), 0, 0x3B,
        ];

        void Add(int code) => bits.AddRange([(code & 1) != 0, (code & 2) != 0, (code & 4) != 0]);
    }

    /// <summary>A 32-bit BMP file of one row, with a mask that says the fourth byte is alpha.</summary>
    public static byte[] Bmp32(params byte[] bgra) =>
        [.. "BM"u8, .. BitConverter.GetBytes(122 + bgra.Length), 0, 0, 0, 0, 122, 0, 0, 0, .. BmpHeader(108, bgra.Length / 4, 1), .. bgra];

    /// <summary>An icon of one row of 32-bit pixels.</summary>
    public static byte[] Icon(params byte[] bgra)
    {
        byte[] image = [.. BmpHeader(40, bgra.Length / 4, 2), .. bgra, 0, 0, 0, 0];
        return [0, 0, 1, 0, 1, 0, (byte)(bgra.Length / 4), 1, 0, 0, 1, 0, 32, 0, .. BitConverter.GetBytes(image.Length), 22, 0, 0, 0,
            .. image];
    }

    private static byte[] BmpHeader(int length, int width, int height)
    {
        byte[] header = new byte[length];
        BinaryPrimitives.WriteInt32LittleEndian(header, length);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(4), width);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), height);
        (header[12], header[14], header[16]) = (1, 32, (byte)(length == 108 ? 3 : 0));
        if (length == 108)
            ((byte[])[0, 0, 0xFF, 0, 0, 0xFF, 0, 0, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, .. "BGRs"u8]).CopyTo(header, 40);
        return header;
    }

    /// <summary>
    /// A JPEG file of 8 × 8 pixels of one colour with four components, written by hand: baseline, a DC coefficient each, with Adobe's
    /// marker, which says CMYK and means that the values are stored inverted (255 is no ink).
    /// </summary>
    public static byte[] CmykJpeg(params ReadOnlySpan<byte> components)
    {
        // Quantised by 8, the DC coefficient of a flat block is its value less 128. Codes: 4 bits for the length of a value, and 0 for the
        // end of a block.
        var bits = new StringBuilder();
        foreach (byte component in components)
        {
            int value = component - 128, length = value == 0 ? 0 : (int)Math.Log2(Math.Abs(value)) + 1;
            bits.Append(Convert.ToString(length, 2).PadLeft(4, '0'));
            if (length > 0)
                bits.Append(Convert.ToString(value > 0 ? value : value + (1 << length) - 1, 2).PadLeft(length, '0'));
            bits.Append('0');
        }

        string padded = bits.ToString().PadRight((bits.Length + 7) / 8 * 8, '1');
        byte[] scan = [.. padded.Chunk(8).Select(eight => Convert.ToByte(new string(eight), 2))
            .SelectMany(b => b == 0xFF ? new byte[] { 0xFF, 0 } : [b])];
        return
        [
            0xFF, 0xD8, 0xFF, 0xEE, 0, 14, .. "Adobe"u8, 0, 100, 0, 0, 0, 0, 0, // no transform: CMYK
            0xFF, 0xDB, 0, 67, 0, .. Enumerable.Repeat((byte)8, 64),
            0xFF, 0xC0, 0, 20, 8, 0, 8, 0, 8, 4, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0,
            0xFF, 0xC4, 0, 28, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8,
            0xFF, 0xC4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0xFF, 0xDA, 0, 14, 4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0, .. scan, 0xFF, 0xD9,
        ];
    }

    /// <summary>A PNG file written by hand: any header, a palette if there is one, and rows that start with their filter byte.</summary>
    public static byte[] Png(int width, int height, byte bitDepth, byte colorType, byte[] rows, byte[]? palette = null)
    {
        byte[] header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9]) = (bitDepth, colorType);
        using var packed = new MemoryStream();
        using (var zlib = new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            zlib.Write(rows);
        byte[] signature = [0x89, .. "PNG\r\n\u001a\n"u8];
        return
        [
            .. signature, .. Chunk("IHDR"u8, header), .. palette is null ? [] : Chunk("PLTE"u8, palette),
            .. Chunk("IDAT"u8, packed.ToArray()), .. Chunk("IEND"u8, []),
        ];
    }

    public static MLImage Image(int width, int height, Func<int, int, SKColor> color, MLPixelFormat format = MLPixelFormat.Rgba32)
    {
        byte[] pixels = new byte[4 * width * height];
        for (int i = 0; i < width * height; i++)
        {
            SKColor c = color(i % width, i / width);
            byte[] pixel = format == MLPixelFormat.Rgba32 ? [c.Red, c.Green, c.Blue, c.Alpha] : [c.Blue, c.Green, c.Red, c.Alpha];
            pixel.CopyTo(pixels, 4 * i);
        }

        return MLImage.CreateFromPixels(width, height, format, pixels);
    }

    private static byte[] Chunk(ReadOnlySpan<byte> type, ReadOnlySpan<byte> content)
    {
        byte[] chunk = new byte[12 + content.Length];
        BinaryPrimitives.WriteInt32BigEndian(chunk, content.Length);
        type.CopyTo(chunk.AsSpan(4));
        content.CopyTo(chunk.AsSpan(8));
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(8 + content.Length), Crc(chunk.AsSpan(4, 4 + content.Length)));
        return chunk;
    }

    public static uint Crc(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc >> 1) ^ (0xEDB88320 & (uint)-(int)(crc & 1));
        }

        return ~crc;
    }
}
