namespace Microsoft.ML.SharpnessAware;

/// <summary>The formats that are read.</summary>
internal static class ImageFormat
{
    /// <summary>The format of a file, by what it begins with; null for any other.</summary>
    public static string? Of(ReadOnlySpan<byte> file) =>
        file.StartsWith((ReadOnlySpan<byte>)[0x89, .. "PNG"u8]) ? "PNG"
        : file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]) ? "JPEG"
        : file.StartsWith("GIF8"u8) ? "GIF"
        : file.StartsWith("BM"u8) ? "BMP"
        : file.StartsWith((ReadOnlySpan<byte>)[0, 0, 1, 0]) ? "ICO"
        : file.StartsWith("RIFF"u8) && file.Length >= 12 && file[8..12].SequenceEqual("WEBP"u8) ? "WebP"
        : null;
}
