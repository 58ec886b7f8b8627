using SkiaSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Reads a few images of a data view, and draws columns of images side by side.</summary>
internal static class ContactSheet
{
    private const int SmallestCell = 96;
    private const int Gap = 4;
    private static readonly SKColor Paper = new(0xFF, 0xFF, 0xFF);

    /// <summary>Up to <paramref name="count"/> images [n, C, H, W], from all over the data, and their value of white.</summary>
    public static Tensor Read(IDataView data, string columnName, int count, ImageRequest request, out double white)
    {
        ImageColumn column = ImageColumn.Bind(data.Schema, columnName, request);
        if (column.Shape is null)
            column = ImageColumn.Bind(
                data.Schema, columnName, new ImageRequest(request.Width, request.Height, channels: 3) { Resizing = request.Resizing });
        ImageShape shape = column.Shape!.Value;
        if (shape.Channels is not (1 or 3))
            throw new InvalidOperationException(
                $"Column '{columnName}' has images of {shape.Channels} channels; pictures of 1 or 3 can be shown.");

        using DataViewRowCursor cursor = data.GetRowCursor(column.Columns);
        ImageReader reader = column.OpenReader(cursor);
        using var sink = new MemorySink(column.PixelType.ToScalarType(), expectedRows: null);
        byte[] pixels = new byte[shape.ValueCount * column.PixelType.Size()];
        double stride = Math.Max(1, (data.GetRowCount() ?? 0) / (double)count);
        int taken = 0;
        for (long row = 0; taken < count && reader.MoveNext(cursor); row++)
        {
            if (row < (long)(taken * stride))
                continue;
            reader.Read(pixels);
            sink.Add(pixels, shape);
            taken++;
        }

        if (taken == 0)
            throw new InvalidOperationException($"The data has no rows, so there are no images in column '{columnName}' to show.");
        using ImagePixels all = sink.Complete();
        Tensor images = all.Batch(0, taken);
        white = PixelScale.White(images);
        return images;
    }

    /// <summary>Images of bytes for pixels whose value of white is given.</summary>
    public static Tensor ToBytes(Tensor pixels, double white) =>
        pixels.dtype == ScalarType.Byte ? pixels : FromFloats(pixels, white);

    /// <summary>
    /// Saves a PNG file of columns, each a tensor of bytes [n, C, H, W]. Small images are enlarged by a whole number, pixel by pixel. Wider
    /// space parts the first column from the others.
    /// </summary>
    public static void Save(string path, IReadOnlyList<Tensor> columns)
    {
        long[] shape = columns[0].shape;
        (int count, int height, int width) = ((int)shape[0], (int)shape[2], (int)shape[3]);
        int zoom = Math.Max(1, (SmallestCell + Math.Max(height, width) - 1) / Math.Max(height, width));
        (int cellWidth, int cellHeight) = ((width * zoom) + Gap, (height * zoom) + Gap);

        using var sheet = new SKBitmap((columns.Count * cellWidth) + (3 * Gap), (count * cellHeight) + Gap);
        using var canvas = new SKCanvas(sheet);
        canvas.Clear(Paper);
        for (int column = 0; column < columns.Count; column++)
        {
            for (int row = 0; row < count; row++)
            {
                using SKBitmap image = Draw(columns[column][row]);
                float left = (column * cellWidth) + (column == 0 ? Gap : 3 * Gap), top = (row * cellHeight) + Gap;
                canvas.DrawBitmap(image, SKRect.Create(left, top, width * zoom, height * zoom));
            }
        }

        canvas.Flush();
        using SKData png = sheet.Encode(SKEncodedImageFormat.Png, 100);
        AtomicFile.Write(path, png.SaveTo);
    }

    private static Tensor FromFloats(Tensor pixels, double white)
    {
        using Scalar scale = (255 / white).ToScalar();
        return (pixels * scale).round_().clamp_(FixedScalars.Zero, FixedScalars.LargestByte).to_type(ScalarType.Byte);
    }

    private static SKBitmap Draw(Tensor image)
    {
        using Tensor colors = image.shape[0] == 1 ? image.expand(3, -1, -1).contiguous() : image.contiguous();
        (int height, int width) = ((int)image.shape[1], (int)image.shape[2]);
        ReadOnlySpan<byte> planes = colors.bytes;
        int area = height * width;
        var pixels = new SKColor[area];
        for (int i = 0; i < area; i++)
            pixels[i] = new SKColor(planes[i], planes[area + i], planes[(2 * area) + i]);
        return new SKBitmap(width, height) { Pixels = pixels };
    }
}
