using System.Runtime.InteropServices;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.SharpnessAware.Tests;

internal sealed class FileRow
{
    public byte[]? Image { get; set; }

    public string ImagePath { get; set; } = "";

    [KeyType(3)]
    public uint Label { get; set; } // in memory from 0; in the data view, as every key, from 1
}

internal sealed class MLImageRow
{
    [ImageType(2, 5)] // ML.NET 5.0.1 throws for [ImageType] without a size
    public MLImage? Image { get; set; }

    [KeyType(3)]
    public uint Label { get; set; } // in memory from 0; in the data view, as every key, from 1
}

internal sealed class PixelRow<T>
{
    public VBuffer<T> Image { get; set; }

    [KeyType(3)]
    public uint Label { get; set; } // in memory from 0; in the data view, as every key, from 1
}

/// <summary>Data views of a few rows, and reading them with the room's own reader.</summary>
internal static class TestRows
{
    public static MLContext Context { get; } = new(1);

    public static IDataView View<TRow>(params TRow[] rows)
        where TRow : class
        => Context.Data.LoadFromEnumerable(rows);

    public static IDataView Files(params byte[]?[] files) => View([.. files.Select(file => new FileRow { Image = file })]);

    public static IDataView MLImages(params MLImage?[] images) => View([.. images.Select(image => new MLImageRow { Image = image })]);

    public static IDataView Pixels<T>(int[] dimensions, params VBuffer<T>[] rows)
        where T : unmanaged
    {
        var definition = SchemaDefinition.Create(typeof(PixelRow<T>));
        PrimitiveDataViewType item = typeof(T) == typeof(byte) ? NumberDataViewType.Byte : NumberDataViewType.Single;
        definition["Image"].ColumnType = new VectorDataViewType(item, dimensions);
        return Context.Data.LoadFromEnumerable(rows.Select(row => new PixelRow<T> { Image = row }).ToArray(), definition);
    }

    public static VBuffer<T> Dense<T>(params T[] values) => new(values.Length, values);

    /// <summary>Every image of the column, as its values.</summary>
    public static (ImageShape Shape, T[][] Images) ReadAll<T>(IDataView data, ImageColumn column)
        where T : unmanaged
    {
        using DataViewRowCursor cursor = data.GetRowCursor(column.Columns);
        ImageReader reader = column.OpenReader(cursor);
        var images = new List<T[]>();
        ImageShape shape = default;
        var decoder = new ImageDecoder();
        while (reader.MoveNext(cursor))
        {
            if (column.Shape is null && reader.Take() is EncodedImage image)
            {
                image.Decode(decoder);
                images.Add((T[])(object)image.Pixels(out shape));
                continue;
            }

            shape = column.Shape!.Value;
            var pixels = new T[shape.ValueCount];
            reader.Read(MemoryMarshal.AsBytes(pixels.AsSpan()));
            images.Add(pixels);
        }

        return (shape, [.. images]);
    }

    public static byte[] ReadFirst(IDataView data, int? width = null, int? height = null, int? channels = null) =>
        ReadAll<byte>(data, ImageColumn.Bind(data.Schema, "Image", new ImageRequest(width, height, channels))).Images[0];

    /// <summary>Reads a file of the width and height given, without resizing.</summary>
    public static byte[] ReadFile(byte[] file, int width, int height, int? channels = null) =>
        ReadFirst(Files(file), width, height, channels);

    public static string ErrorOf(IDataView data, ImageRequest? request = null)
    {
        ImageColumn column = ImageColumn.Bind(data.Schema, "Image", request ?? new ImageRequest());
        return Assert.ThrowsExactly<InvalidOperationException>(() =>
        {
            if (column.PixelType == PixelType.Byte)
                ReadAll<byte>(data, column);
            else
                ReadAll<float>(data, column);
        }).Message;
    }
}
