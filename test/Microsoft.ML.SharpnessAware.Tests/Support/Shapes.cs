using SkiaSharp;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Small pictures that a network learns in a second: noisy stripes in three directions.</summary>
internal static class Shapes
{
    public const int Size = 12;

    public static readonly string[] Names = ["across", "down", "slanted"];

    public static List<PixelRow> Pixels(int count, int seed = 0)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(i => new PixelRow { Label = Names[i % 3], Image = Draw(i % 3, random), Number = i })];
    }

    public static List<EncodedRow> Encoded(int count, int seed = 0) =>
        [.. Pixels(count, seed).Select(row => new EncodedRow { Label = row.Label, Image = Png(row.Image),
            ImagePath = $"{row.Label}/{row.Number}.png" })];

    public static List<FloatRow> Floats(int count, int seed = 0) =>
        [.. Pixels(count, seed).Select(row => new FloatRow { Label = row.Label,
            Image = Array.ConvertAll(row.Image, pixel => pixel / 255f) })];

    /// <summary>A colour PNG file of grey pixels [12 × 12].</summary>
    public static byte[] Png(byte[] pixels)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(Size, Size, SKColorType.Rgba8888, SKAlphaType.Opaque));
        for (int i = 0; i < pixels.Length; i++)
            bitmap.SetPixel(i % Size, i / Size, new SKColor(pixels[i], pixels[i], pixels[i]));
        using SKData data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }

    private static byte[] Draw(int shape, Random random)
    {
        int phase = random.Next(4);
        byte[] pixels = new byte[Size * Size];
        for (int y = 0; y < Size; y++)
        {
            for (int x = 0; x < Size; x++)
            {
                int position = shape switch { 0 => y, 1 => x, _ => x + y };
                int level = (position + phase) / 2 % 2 == 0 ? 60 : 190;
                pixels[y * Size + x] = (byte)Math.Clamp(level + random.Next(-60, 60), 0, 255);
            }
        }
        return pixels;
    }
}
