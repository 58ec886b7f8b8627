using System.Runtime.InteropServices;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using SkiaSharp;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Makes thumbnails of the images of a column, of any kind that <see cref="ImageColumn"/> knows: in their own proportions, at most <see
/// cref="Thumbnail.MaximumSide"/> pixels wide and high.
/// </summary>
internal sealed class ThumbnailReader
{
    private readonly ImageDecoder _decoder = new();
    private readonly ImageScaler _scaler = new();
    /// <summary>Makes a function that gives the thumbnail of the row where the cursor is.</summary>
    public Func<Thumbnail> Open(ImageColumn column, DataViewRow row)
    {
        DataViewSchema.Column source = column.Columns[0];
        return source.Type switch
        {
            ImageDataViewType => OfMLImages(row.GetGetter<MLImage?>(source)),
            VectorDataViewType { IsKnownSize: false } => OfFiles(row.GetGetter<VBuffer<byte>>(source)),
            _ => OfPixels(column, column.OpenReader(row)),
        };
    }

    private Func<Thumbnail> OfFiles(ValueGetter<VBuffer<byte>> getter)
    {
        VBuffer<byte> buffer = default;
        return () =>
        {
            getter(ref buffer);
            byte[] file = [.. buffer.DenseValues()];
            (int width, int height) = ImageDecoder.ReadSize(file);
            ImageShape shape = Fit(ImageDecoder.ReadChannels(file), width, height);
            byte[] planes = new byte[shape.ValueCount];
            _decoder.Decode(file, shape, planes);
            return Encode(planes, shape, reduced: shape.Width < width || shape.Height < height);
        };
    }

    private Func<Thumbnail> OfMLImages(ValueGetter<MLImage?> getter)
    {
        MLImage? image = null;
        return () =>
        {
            getter(ref image);
            return OfBitmap(MLImageReader.BitmapOf(image), channels: 3);
        };
    }

    private Func<Thumbnail> OfPixels(ImageColumn column, ImageReader reader)
    {
        int size = column.PixelType.Size();
        return () =>
        {
            ImageShape shape = column.Shape!.Value;
            byte[] values = new byte[shape.ValueCount * size];
            reader.Read(values);
            byte[] planes = size == 1 ? values : ToBytes(MemoryMarshal.Cast<byte, float>(values));
            int channels = shape.Channels >= 3 ? 3 : 1;     // a fourth is transparency; of two nobody knows what they are
            return OfBitmap(new Bitmap(Interleave(planes, shape, channels), shape.Width, shape.Height,
                shape.Width * (channels == 1 ? 1 : 4), channels == 1 ? BitmapFormat.Grey : BitmapFormat.Rgba), channels);
        };
    }

    private Thumbnail OfBitmap(Bitmap bitmap, int channels)
    {
        ImageShape shape = Fit(channels, bitmap.Width, bitmap.Height);
        byte[] planes = new byte[shape.ValueCount];
        _scaler.Scale(bitmap, shape, planes);
        return Encode(planes, shape, reduced: shape.Width < bitmap.Width || shape.Height < bitmap.Height);
    }

    private static ImageShape Fit(int channels, int width, int height)
    {
        double scale = Math.Min(1, (double)Thumbnail.MaximumSide / Math.Max(width, height));
        return new(channels, Math.Max(1, (int)Math.Round(scale * height)), Math.Max(1, (int)Math.Round(scale * width)));
    }

    /// <summary>
    /// The scale of float pixels is not known. Values in [0, 1] are stretched to bytes, values in [0, 255] are taken as they are, and
    /// others, standardised ones for example, are stretched from their smallest to their largest.
    /// </summary>
    private static byte[] ToBytes(ReadOnlySpan<float> values)
    {
        float smallest = float.MaxValue, largest = float.MinValue;
        foreach (float value in values)
            (smallest, largest) = (Math.Min(smallest, value), Math.Max(largest, value));
        (float from, float to) = smallest < 0 || largest > 255 ? (smallest, largest) : (0, largest <= 1 ? 1 : 255);
        byte[] bytes = new byte[values.Length];
        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = to > from ? (byte)Math.Round(255.0 * (values[i] - from) / ((double)to - from)) : (byte)0;
        return bytes;
    }

    private static byte[] Interleave(ReadOnlySpan<byte> planes, ImageShape shape, int channels)
    {
        int area = shape.Width * shape.Height;
        if (channels == 1)
            return planes[..area].ToArray();
        byte[] pixels = new byte[4 * area];
        for (int i = 0; i < area; i++)
        {
            for (int channel = 0; channel < 3; channel++)
                pixels[4 * i + channel] = planes[channel * area + i];
            pixels[4 * i + 3] = byte.MaxValue;
        }

        return pixels;
    }

    private static unsafe Thumbnail Encode(byte[] planes, ImageShape shape, bool reduced)
    {
        byte[] pixels = Interleave(planes, shape, shape.Channels);
        SKColorType colors = shape.Channels == 1 ? SKColorType.Gray8 : SKColorType.Rgba8888;
        SKImageInfo info = new(shape.Width, shape.Height, colors, SKAlphaType.Opaque);
        fixed (byte* bytes = pixels)
        {
            // What was reduced is a photograph, more likely than not; what was not must stay as it is, every pixel of it.
            using SKPixmap pixmap = new(info, (nint)bytes, info.RowBytes);
            using SKData data = pixmap.Encode(reduced ? SKEncodedImageFormat.Jpeg : SKEncodedImageFormat.Png, 88);
            byte[] file = data.ToArray();
            return reduced ? Thumbnail.Jpeg(file, shape.Width, shape.Height) : Thumbnail.Png(file, shape.Width, shape.Height);
        }
    }
}
