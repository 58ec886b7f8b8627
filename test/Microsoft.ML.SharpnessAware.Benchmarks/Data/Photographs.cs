using SkiaSharp;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>A folder of JPEG files, two classes, deleted at the end.</summary>
internal sealed class Photographs : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("photographs");

    public Photographs(int count, int width, int height)
    {
        Random random = new(1);
        for (int i = 0; i < count; i++)
        {
            string folder = Path.Combine(Folder, i % 2 == 0 ? "a" : "b");
            Directory.CreateDirectory(folder);
            using SKBitmap picture = Picture(random, width, height);
            using FileStream file = File.Create(Path.Combine(folder, $"{i:D4}.jpg"));
            picture.Encode(file, SKEncodedImageFormat.Jpeg, 90);
        }
    }

    public string Folder => _folder.FullName;

    public void Dispose() => _folder.Delete(recursive: true);

    // Soft shapes with a little grain: files of about the size that cameras make.
    private static SKBitmap Picture(Random random, int width, int height)
    {
        SKBitmap picture = new(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using SKCanvas canvas = new(picture);
        canvas.Clear(Color());
        using SKPaint paint = new() { IsAntialias = true };
        for (int shape = 0; shape < 60; shape++)
        {
            paint.Color = Color();
            canvas.DrawOval(random.Next(width), random.Next(height), random.Next(width / 6), random.Next(height / 6), paint);
        }

        using SKShader grain = SKShader.CreatePerlinNoiseTurbulence(0.3f, 0.3f, 2, random.Next(1000));
        using SKPaint noise = new() { Shader = grain, BlendMode = SKBlendMode.SoftLight };
        canvas.DrawRect(0, 0, width, height, noise);
        return picture;

        SKColor Color() => new((byte)random.Next(256), (byte)random.Next(256), (byte)random.Next(256), 200);
    }
}
