using SkiaSharp;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Decodes image files (png, jpg, gif, bmp, webp, ico: the first frame) with SkiaSharp to planes of bytes: colours as stored (no colour
/// management), EXIF orientation applied, transparency over white. A file that is only partly there is an error, never a half-grey image,
/// and so is one whose data a decoder would warn about.
/// </summary>
internal sealed class ImageDecoder
{
    /// <summary>Files that declare more pixels are refused before anything is allocated for them: 400 MB once decoded.</summary>
    public const long MaxPixels = 100_000_000;

    private const int MaxSide = 65_535; // the most that a JPEG file can hold

    /// <summary>
    /// How many decoded pixels along a side there are at least for each one of the target, where a JPEG is decoded to a smaller size: the
    /// more, the nearer is the average to that of the whole, and the longer it takes.
    /// </summary>
    private const int LeastOversampling = 3;

    /// <summary>Pixels of a larger picture are not kept for the next one: a decoder may live as long as a service.</summary>
    private const int MaxKeptBytes = 64 << 20;

    private readonly ImageScaler _scaler = new();
    private byte[] _pixels = [];
    private byte[] _stored = [];

    /// <summary>1 for a file that stores grey values, else 3.</summary>
    public static unsafe int ReadChannels(ReadOnlySpan<byte> file)
    {
        fixed (byte* bytes = file)
        {
            using SKData data = SKData.Create((nint)bytes, file.Length);
            using SKCodec codec = Open(data);
            return Channels(codec);
        }
    }

    /// <summary>Width and height in pixels, as seen: the EXIF orientation is applied.</summary>
    public static unsafe (int Width, int Height) ReadSize(ReadOnlySpan<byte> file)
    {
        fixed (byte* bytes = file)
        {
            using SKData data = SKData.Create((nint)bytes, file.Length);
            using SKCodec codec = Open(data);
            (int width, int height) = (codec.Info.Width, codec.Info.Height);
            return ExifOrientation.Of(file).SwapsSides() ? (height, width) : (width, height);
        }
    }

    /// <summary>Decodes, converts and resizes to <paramref name="shape"/>; returns the channels that the file itself has.</summary>
    public unsafe int Decode(ReadOnlySpan<byte> file, ImageShape shape, Span<byte> planes, ResizingKind resizing = ResizingKind.Fill)
    {
        fixed (byte* bytes = file)
        {
            using SKData data = SKData.Create((nint)bytes, file.Length);
            using SKCodec codec = Open(data);
            Decode(codec, file, shape, planes, resizing);
            return Channels(codec);
        }
    }

    /// <summary>As above, into new planes; in the channels of the file, which are returned too, where none are asked for.</summary>
    public unsafe (byte[] Planes, int FileChannels) Decode(ReadOnlySpan<byte> file, int height, int width, int? channels,
        ResizingKind resizing)
    {
        fixed (byte* bytes = file)
        {
            using SKData data = SKData.Create((nint)bytes, file.Length);
            using SKCodec codec = Open(data);
            var shape = new ImageShape(channels ?? Channels(codec), height, width);
            byte[] planes = GC.AllocateUninitializedArray<byte>(shape.ValueCount);
            Decode(codec, file, shape, planes, resizing);
            return (planes, Channels(codec));
        }
    }

    private unsafe void Decode(SKCodec codec, ReadOnlySpan<byte> file, ImageShape shape, Span<byte> planes, ResizingKind resizing)
    {
        SKEncodedOrigin origin = ExifOrientation.Of(file);
        ImageShape stored = origin.SwapsSides() ? new(shape.Channels, shape.Width, shape.Height) : shape;

        bool isGrey = Channels(codec) == 1;
        int reduction = Reduction(codec, stored, resizing);
        SKSizeI size = reduction == 1 ? codec.Info.Size : codec.GetScaledDimensions(1f / reduction);
        var info = new SKImageInfo(size.Width, size.Height, isGrey ? SKColorType.Gray8 : SKColorType.Rgba8888, AlphaType(codec));
        byte[] decoded = Kept(ref _pixels, info.BytesSize);
        fixed (byte* pixels = decoded)
            Check(codec.GetPixels(info, (nint)pixels));
        if (codec.EncodedFormat == SKEncodedImageFormat.Jpeg)
            JpegScan.Check(file);
        else
            ImageFileEnd.Check(file);

        var bitmap = new Bitmap(decoded, info.Width, info.Height, info.RowBytes, isGrey ? BitmapFormat.Grey : BitmapFormat.Rgba)
        {
            ImageWidth = (double)codec.Info.Width / reduction,
            ImageHeight = (double)codec.Info.Height / reduction,
            IsReduced = reduction > 1,
            Origin = origin,
            HasAlpha = info.AlphaType == SKAlphaType.Unpremul ? Premultiply(decoded.AsSpan(0, info.BytesSize)) : !info.IsOpaque,
        };
        Scale(bitmap, origin, stored, planes, resizing);
    }

    /// <summary>An array that is long enough: the last one, or a new one, which is kept in its place unless it is too long.</summary>
    private static byte[] Kept(ref byte[] last, int length)
    {
        if (length <= last.Length)
            return last;
        byte[] pixels = GC.AllocateUninitializedArray<byte>(length);
        if (length <= MaxKeptBytes)
            last = pixels;
        return pixels;
    }

    private static SKCodec Open(SKData data)
    {
        if (data.Size == 0)
            throw new InvalidDataException("the image is empty (no bytes).");
        // Raw photographs and other formats that SkiaSharp knows would only be more code for a file to attack.
        SKCodec codec = (ImageFormat.Of(data.AsSpan()) is null ? null : SKCodec.Create(data))
            ?? throw UnreadableImage.Error(data.AsSpan());

        (long width, long height) = (codec.Info.Width, codec.Info.Height);
        if (width * height <= MaxPixels && Math.Max(width, height) <= MaxSide)
            return codec;
        codec.Dispose();
        throw new InvalidDataException(
            $"the file declares {width} × {height} pixels; at most {MaxPixels / 1_000_000} million and {MaxSide} a side are decoded.");
    }

    private static int Channels(SKCodec codec) => codec.Info.ColorType == SKColorType.Gray8 ? 1 : 3;

    // Programs that know nothing of transparency leave the fourth byte of BMP and icons 0, and colours must not be multiplied with that.
    private static SKAlphaType AlphaType(SKCodec codec) => (codec.Info.IsOpaque, codec.EncodedFormat) switch
    {
        (true, _) => SKAlphaType.Opaque,
        (false, SKEncodedImageFormat.Bmp or SKEncodedImageFormat.Ico) => SKAlphaType.Unpremul,
        _ => SKAlphaType.Premul,
    };

    /// <summary>Multiplies colours with their alpha; false, and nothing is changed, where alpha is 0 everywhere and so is none.</summary>
    private static bool Premultiply(Span<byte> pixels)
    {
        bool hasAlpha = false;
        for (int i = 3; i < pixels.Length && !hasAlpha; i += 4)
            hasAlpha = pixels[i] > 0;
        for (int i = 0; hasAlpha && i < pixels.Length; i += 4)
        {
            for (int channel = 0; channel < 3; channel++)
                pixels[i + channel] = (byte)(((pixels[i + channel] * pixels[i + 3]) + 127) / 255);
        }

        return hasAlpha;
    }

    // JPEG decodes straight to an eighth, a quarter or half of its size, many times faster, and each pixel is then the average of those
    // of the whole that it stands for. (It offers other eighths too, which are not averages and hardly faster.)
    private static int Reduction(SKCodec codec, ImageShape target, ResizingKind resizing)
    {
        double scale = ResizeGeometry.Of(resizing, codec.Info.Width, codec.Info.Height, target.Width, target.Height).Scale;
        int reduction = codec.EncodedFormat == SKEncodedImageFormat.Jpeg ? 8 : 1;
        while (reduction > 1 && reduction * scale * LeastOversampling > 1)
            reduction /= 2;
        return reduction;
    }

    private static void Check(SKCodecResult result)
    {
        if (result is SKCodecResult.IncompleteInput)
            throw new InvalidDataException("the image is truncated: the file ends before its image does.");
        if (result is not SKCodecResult.Success)
            throw new InvalidDataException($"the image is damaged and cannot be decoded ({result}).");
    }

    private void Scale(Bitmap bitmap, SKEncodedOrigin origin, ImageShape stored, Span<byte> planes, ResizingKind resizing)
    {
        if (origin is SKEncodedOrigin.TopLeft)
        {
            _scaler.Scale(bitmap, stored, planes, resizing);
            return;
        }

        Span<byte> unturned = Kept(ref _stored, planes.Length).AsSpan(0, planes.Length);
        _scaler.Scale(bitmap, stored, unturned, resizing);
        int area = stored.Height * stored.Width;
        for (int channel = 0; channel < stored.Channels; channel++)
            origin.Apply(unturned.Slice(channel * area, area), stored.Width, stored.Height, planes.Slice(channel * area, area));
    }
}
