using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Reads a column of <see cref="MLImage"/>. Where the fourth byte is alpha (see <see cref="MLImageAlpha"/>), colours are premultiplied
/// with it, as ML.NET's loaders leave them, and laid over white; else colours are taken as they are. (ML.NET's loaders do not apply an
/// EXIF orientation.) The images stay the property of whoever made them.
/// </summary>
internal sealed class MLImageReader(ImageColumn column, DataViewRow row, DataViewSchema.Column source) : ImageReader(column, row)
{
    private readonly ImageScaler _scaler = new();
    private readonly ValueGetter<MLImage?> _getter = row.GetGetter<MLImage?>(source);
    private MLImage? _image;

    protected override void Fetch() => _getter(ref _image);

    protected override void AppendContent(IncrementalHash hash)
    {
        Bitmap bitmap = BitmapOf(_image);
        Append(hash, MemoryMarshal.AsBytes<int>([bitmap.Width, bitmap.Height, (int)bitmap.Format]));
        for (int y = 0; y < bitmap.Height; y++)
            Append(hash, bitmap.Row(y));
    }

    protected override void ReadCore(ImageShape shape, Span<byte> pixels) =>
        _scaler.Scale(BitmapOf(_image), shape, pixels, Column.Resizing);

    /// <summary>The pixels of an image; an <see cref="InvalidDataException"/> where there are none.</summary>
    public static Bitmap BitmapOf(MLImage? image)
    {
        if (image is null)
            throw new InvalidDataException("there is no image (null).");

        MLPixelFormat format;
        try
        {
            format = image.PixelFormat;
        }
        catch (InvalidOperationException exception)
        {
            throw new InvalidDataException("the image is disposed.", exception);
        }

        ReadOnlySpan<byte> values = image.Pixels;
        return new Bitmap(values, image.Width, image.Height, values.Length / image.Height,
            format == MLPixelFormat.Rgba32 ? BitmapFormat.Rgba : BitmapFormat.Bgra)
        {
            HasAlpha = MLImageAlpha.IsUsed(image),
        };
    }
}
