using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;
using SkiaSharp;

namespace MLSharpness.Evidence.Data;

/// <summary>Labelled images as bytes, channels first.</summary>
internal sealed record ImageSet(ImageShape Shape, IReadOnlyList<byte[]> Images, IReadOnlyList<int> Labels, int NumberOfClasses)
{
    public int Count => Images.Count;

    public ImageSet Range(int start, int count) =>
        this with { Images = [.. Images.Skip(start).Take(count)], Labels = [.. Labels.Skip(start).Take(count)] };

    public ImageSet Choose(IEnumerable<int> rows)
    {
        int[] chosen = [.. rows];
        return this with { Images = [.. chosen.Select(row => Images[row])], Labels = [.. chosen.Select(row => Labels[row])] };
    }

    /// <summary>With a share of the labels, drawn by a seed, replaced by another class each.</summary>
    public ImageSet WithLabelNoise(double share, int seed)
    {
        var random = new Random(seed);
        int[] labels = [.. Labels];
        int[] rows = [.. Enumerable.Range(0, Count)];
        random.Shuffle(rows);
        foreach (int row in rows.Take((int)Math.Round(share * Count)))
            labels[row] = (labels[row] + random.Next(1, NumberOfClasses)) % NumberOfClasses;
        return this with { Labels = labels };
    }

    /// <summary>Each image at half its size, every pixel the mean of four, within a black border.</summary>
    public ImageSet Halved(int border)
    {
        ImageShape half = new(Shape.Channels, Shape.Height / 2 + 2 * border, Shape.Width / 2 + 2 * border);
        return this with { Shape = half, Images = [.. Images.Select(Halve)] };

        byte[] Halve(byte[] image)
        {
            byte[] result = new byte[half.ValueCount];
            for (int channel = 0; channel < half.Channels; channel++)
            {
                for (int y = 0; y < Shape.Height / 2; y++)
                {
                    for (int x = 0; x < Shape.Width / 2; x++)
                    {
                        int from = ((channel * Shape.Height) + (2 * y)) * Shape.Width + 2 * x;
                        int sum = image[from] + image[from + 1] + image[from + Shape.Width] + image[from + Shape.Width + 1];
                        result[((channel * half.Height) + y + border) * half.Width + x + border] = (byte)((sum + 2) / 4);
                    }
                }
            }
            return result;
        }
    }

    /// <summary>Each image of three channels in grey: ITU-R BT.601's luma.</summary>
    public ImageSet Grey()
    {
        int plane = Shape.Height * Shape.Width;
        return this with
        {
            Shape = new(1, Shape.Height, Shape.Width),
            Images =
            [
                .. Images.Select(image => Enumerable.Range(0, plane).Select(i =>
                    (byte)Math.Round((0.299 * image[i]) + (0.587 * image[plane + i]) + (0.114 * image[(2 * plane) + i]))).ToArray()),
            ],
        };
    }

    /// <summary>As many images of each class, drawn by a seed, in the order in which they were: neighbours stay neighbours.</summary>
    public ImageSet OfEachClass(int count, int seed) => Choose(RowsOfEachClass(count, seed));

    /// <summary>The rows of the same.</summary>
    public int[] RowsOfEachClass(int count, int seed)
    {
        int[] rows = [.. Enumerable.Range(0, Count)];
        new Random(seed).Shuffle(rows);
        return [.. rows.GroupBy(row => Labels[row]).SelectMany(group => group.Take(count)).Order()];
    }

    /// <summary>The images for ML.NET as PNG files in colour: Label a key of all classes, Image the bytes of the file.</summary>
    public IDataView ToPictures(MLContext mlContext) => WithKeys(mlContext, mlContext.Data.LoadFromEnumerable(
        Images.Zip(Labels, (image, label) => new Picture { Image = ToPng(image), Label = Name(label) }).ToArray()));

    private byte[] ToPng(byte[] image)
    {
        int plane = Shape.Height * Shape.Width;
        byte[] pixels = new byte[4 * plane];
        for (int i = 0; i < plane; i++)
        {
            for (int channel = 0; channel < 3; channel++)
                pixels[(4 * i) + channel] = image[(Math.Min(channel, Shape.Channels - 1) * plane) + i];
            pixels[(4 * i) + 3] = byte.MaxValue;
        }

        using var bitmap = new SKBitmap(Shape.Width, Shape.Height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        Marshal.Copy(pixels, 0, bitmap.GetPixels(), pixels.Length);
        using SKData png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return png.ToArray();
    }

    /// <summary>The images for ML.NET: Label a key of all classes, Image a vector of pixels.</summary>
    public IDataView ToDataView(MLContext mlContext)
    {
        var definition = SchemaDefinition.Create(typeof(Row));
        definition[nameof(Row.Image)].ColumnType = new VectorDataViewType(
            NumberDataViewType.Byte, Shape.Channels, Shape.Height, Shape.Width);
        return WithKeys(mlContext, mlContext.Data.LoadFromEnumerable(
            Images.Zip(Labels, (image, label) => new Row { Image = image, Label = Name(label) }).ToArray(), definition));
    }

    private IDataView WithKeys(MLContext mlContext, IDataView rows)
    {
        IDataView keys = mlContext.Data.LoadFromEnumerable(
            Enumerable.Range(0, NumberOfClasses).Select(label => new ClassName { Label = Name(label) }).ToArray());
        return mlContext.Transforms.Conversion.MapValueToKey("Label", keyData: keys).Fit(rows).Transform(rows);
    }

    private static string Name(int label) => label.ToString(CultureInfo.InvariantCulture);

    private sealed class Picture
    {
        public byte[] Image { get; set; } = [];

        public string Label { get; set; } = "";
    }

    private sealed class Row
    {
        public byte[] Image { get; set; } = [];

        public string Label { get; set; } = "";
    }

    private sealed class ClassName
    {
        public string Label { get; set; } = "";
    }
}
