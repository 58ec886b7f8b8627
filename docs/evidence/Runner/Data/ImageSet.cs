using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;

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

    /// <summary>The images for ML.NET: Label a key of all classes, Image a vector of pixels.</summary>
    public IDataView ToDataView(MLContext mlContext)
    {
        var definition = SchemaDefinition.Create(typeof(Row));
        definition[nameof(Row.Image)].ColumnType = new VectorDataViewType(
            NumberDataViewType.Byte, Shape.Channels, Shape.Height, Shape.Width);
        IDataView rows = mlContext.Data.LoadFromEnumerable(
            Images.Zip(Labels, (image, label) => new Row { Image = image, Label = label.ToString(CultureInfo.InvariantCulture) })
                .ToArray(), definition);
        IDataView keys = mlContext.Data.LoadFromEnumerable(
            Enumerable.Range(0, NumberOfClasses).Select(label => new ClassName { Label = label.ToString(CultureInfo.InvariantCulture) })
                .ToArray());
        return mlContext.Transforms.Conversion.MapValueToKey("Label", keyData: keys).Fit(rows).Transform(rows);
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
