using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>Images in memory as a data view: noise, brighter in another band of rows for each class.</summary>
internal static class PixelImages
{
    public static IDataView View(MLContext mlContext, int count, ImageShape shape, int numberOfClasses = 10)
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Row));
        schema[nameof(Row.Label)].ColumnType = new KeyDataViewType(typeof(uint), numberOfClasses);
        schema[nameof(Row.Image)].ColumnType = new VectorDataViewType(NumberDataViewType.Byte, shape.Channels, shape.Height, shape.Width);
        return mlContext.Data.LoadFromEnumerable(Rows(count, shape, numberOfClasses), schema);
    }

    public static Row[] Rows(int count, ImageShape shape, int numberOfClasses)
    {
        Random random = new(1);
        return [.. Enumerable.Range(0, count).Select(_ => Image())];

        Row Image()
        {
            int label = random.Next(numberOfClasses);
            byte[] pixels = new byte[shape.ValueCount];
            random.NextBytes(pixels);
            int band = label * shape.Height / numberOfClasses;
            foreach (ref byte pixel in pixels.AsSpan(band * shape.Width, shape.Width))
                pixel |= 0xC0;
            return new Row { Label = (uint)label, Image = pixels };
        }
    }

    public sealed class Row
    {
        public uint Label { get; set; }         // zero-based, as ML.NET wants keys in memory

        public byte[] Image { get; set; } = [];
    }
}
