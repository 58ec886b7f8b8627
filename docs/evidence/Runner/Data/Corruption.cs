using Microsoft.ML.SharpnessAware;
using SkiaSharp;

namespace MLSharpness.Evidence.Data;

/// <summary>
/// Corrupted images: noise, blur, contrast, brightness, pixelation and JPEG at the five strengths that Hendrycks and Dietterich (2019) use
/// for CIFAR-10, and rotation.
/// </summary>
internal static class Corruption
{
    private static readonly Dictionary<string, (double[] Strengths, Func<byte[], ImageShape, double, Random, byte[]> Apply)> Corruptions =
        new()
    {
        ["noise"] = ([0.04, 0.06, 0.08, 0.09, 0.10], (image, _, c, random) => Map(image, value => value + 255 * c * Normal(random))),
        ["blur"] = ([0.4, 0.6, 0.7, 0.8, 1], (image, shape, c, _) => Blur(image, shape, c)),
        ["contrast"] = ([0.75, 0.5, 0.4, 0.3, 0.15], (image, _, c, _) => Contrast(image, c)),
        ["brightness"] = ([0.05, 0.1, 0.15, 0.2, 0.3], (image, _, c, _) => Map(image, value => value + 255 * c)),
        ["rotation"] = ([5, 10, 15, 20, 30], (image, shape, c, random) => Rotate(image, shape, random.Next(2) == 0 ? c : -c)),
        ["pixelation"] = ([0.95, 0.9, 0.85, 0.75, 0.65], (image, shape, c, _) => Pixelate(image, shape, c)),
        ["jpeg"] = ([80, 65, 58, 50, 40], (image, shape, c, _) => Jpeg(image, shape, (int)c)),
    };

    public static IReadOnlyCollection<string> Names => Corruptions.Keys;

    /// <summary>The images corrupted, the same each time; strength 1 to 5, 0 leaves them.</summary>
    public static ImageSet Apply(ImageSet images, string name, int strength)
    {
        if (strength == 0)
            return images;
        (double[] strengths, Func<byte[], ImageShape, double, Random, byte[]> apply) = Corruptions[name];
        return images with { Images = [.. images.Images.Select((image, row) =>
            apply(image, images.Shape, strengths[strength - 1], new Random(row)))] };
    }

    private static byte[] Map(byte[] image, Func<double, double> change) => Array.ConvertAll(image, value => Round(change(value)));

    private static byte Round(double value) => (byte)Math.Clamp(Math.Round(value), 0, 255);

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    private static byte[] Contrast(byte[] image, double factor)
    {
        double mean = image.Average(value => value);
        return Map(image, value => mean + factor * (value - mean));
    }

    private static byte[] Blur(byte[] image, ImageShape shape, double sigma)
    {
        int radius = (int)Math.Ceiling(4 * sigma);
        double[] kernel = [.. Enumerable.Range(-radius, 2 * radius + 1).Select(i => Math.Exp(-i * i / (2 * sigma * sigma)))];
        double sum = kernel.Sum();
        return Sample(shape, (c, y, x) =>
        {
            double value = 0;
            for (int dy = -radius; dy <= radius; dy++)
                for (int dx = -radius; dx <= radius; dx++)
                    value += kernel[dy + radius] * kernel[dx + radius] * At(image, shape, c, y + dy, x + dx);
            return value / (sum * sum);
        });
    }

    private static byte[] Rotate(byte[] image, ImageShape shape, double degrees)
    {
        (double sin, double cos) = Math.SinCos(degrees * Math.PI / 180);
        (double middleY, double middleX) = ((shape.Height - 1) / 2.0, (shape.Width - 1) / 2.0);
        return Sample(shape, (c, row, column) =>
        {
            (double dy, double dx) = (row - middleY, column - middleX);
            (double y, double x) = (middleY + cos * dy - sin * dx, middleX + sin * dy + cos * dx);
            (int top, int left) = ((int)Math.Floor(y), (int)Math.Floor(x));
            (double down, double right) = (y - top, x - left);
            return (1 - down) * ((1 - right) * At(image, shape, c, top, left) + right * At(image, shape, c, top, left + 1))
                + down * ((1 - right) * At(image, shape, c, top + 1, left) + right * At(image, shape, c, top + 1, left + 1));
        });
    }

    /// <summary>Area average to a smaller image, each of whose pixels then fills its place.</summary>
    private static byte[] Pixelate(byte[] image, ImageShape shape, double factor)
    {
        (int height, int width) = ((int)(shape.Height * factor), (int)(shape.Width * factor));
        return Sample(shape, (c, y, x) =>
        {
            double sum = 0;
            foreach ((int row, double down) in Cover((2 * y + 1) * height / (2 * shape.Height), shape.Height / (double)height))
                foreach ((int column, double right) in Cover((2 * x + 1) * width / (2 * shape.Width), shape.Width / (double)width))
                    sum += down * right * At(image, shape, c, row, column);
            return sum;
        });

        // The pixels under pixel i of the smaller image, and their shares of it.
        static IEnumerable<(int Pixel, double Share)> Cover(int i, double size)
        {
            for (int pixel = (int)(i * size); pixel < (i + 1) * size; pixel++)
                yield return (pixel, (Math.Min(pixel + 1, (i + 1) * size) - Math.Max(pixel, i * size)) / size);
        }
    }

    private static byte[] Jpeg(byte[] image, ImageShape shape, int quality)
    {
        bool grey = shape.Channels == 1;
        using var bitmap = new SKBitmap(shape.Width, shape.Height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        byte Value(int channel, int y, int x) => (byte)At(image, shape, grey ? 0 : channel, y, x);
        for (int y = 0; y < shape.Height; y++)
            for (int x = 0; x < shape.Width; x++)
                bitmap.SetPixel(x, y, new SKColor(Value(0, y, x), Value(1, y, x), Value(2, y, x)));
        using SKData data = bitmap.Encode(SKEncodedImageFormat.Jpeg, quality);
        using SKBitmap decoded = SKBitmap.Decode(data);
        return Sample(shape, (c, y, x) =>
        {
            SKColor color = decoded.GetPixel(x, y);
            return c switch { 0 when grey => color.Green, 0 => color.Red, 1 => color.Green, _ => color.Blue };
        });
    }

    private static byte[] Sample(ImageShape shape, Func<int, int, int, double> value)
    {
        byte[] result = new byte[shape.ValueCount];
        int i = 0;
        for (int c = 0; c < shape.Channels; c++)
            for (int y = 0; y < shape.Height; y++)
                for (int x = 0; x < shape.Width; x++)
                    result[i++] = Round(value(c, y, x));
        return result;
    }

    /// <summary>A pixel; beyond the edge the nearest one.</summary>
    private static double At(byte[] image, ImageShape shape, int c, int y, int x) =>
        image[(c * shape.Height + Math.Clamp(y, 0, shape.Height - 1)) * shape.Width + Math.Clamp(x, 0, shape.Width - 1)];
}
