using System.Runtime.ExceptionServices;
using System.Security.Cryptography;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// An image file that was read, to be decoded on any thread. What is wrong with it comes to light when it is its turn to be taken, so that
/// errors have the order of the rows.
/// </summary>
internal sealed class EncodedImage : IImageSource
{
    private readonly ImagePlace _place;
    private readonly byte[]? _file;
    private readonly ImageShape? _shape;
    private readonly ResizeMode _resizeMode;
    private readonly bool _convertsChannels;
    private byte[] _pixels = [];
    private ExceptionDispatchInfo? _error;

    public EncodedImage(ImagePlace place, byte[] file, ImageShape shape, ResizeMode resizeMode, bool convertsChannels) =>
        (_place, _file, _shape, _resizeMode, _convertsChannels) = (place, file, shape, resizeMode, convertsChannels);

    /// <summary>An image whose file cannot be read (null), or not even its number of channels.</summary>
    public EncodedImage(byte[]? file, InvalidOperationException error) => (_file, _error) = (file, ExceptionDispatchInfo.Capture(error));

    /// <summary>The length of the file in bytes.</summary>
    public int Length => _file?.Length ?? 0;

    /// <summary>The bytes that the pixels will need.</summary>
    public int PixelBytes => _shape?.ValueCount ?? 0;

    /// <summary>Decodes the image with a decoder that no other thread uses now.</summary>
    public void Decode(ImageDecoder decoder)
    {
        if (_shape is not { } shape)
            return;
        try
        {
            _pixels = GC.AllocateUninitializedArray<byte>(shape.ValueCount);
            Decode(decoder, _file, shape, _pixels, _resizeMode, _convertsChannels);
        }
        catch (Exception exception)
        {
            _error = ExceptionDispatchInfo.Capture(ImageReader.IsAboutTheImage(exception) ? _place.Error(exception) : exception);
        }
    }

    /// <summary>Decodes a file into pixels of a shape.</summary>
    /// <exception cref="ChannelMismatchException">It has another number of channels, which are not to be converted.</exception>
    public static void Decode(
        ImageDecoder decoder, ReadOnlySpan<byte> file, ImageShape shape, Span<byte> pixels, ResizeMode resizeMode, bool convertsChannels)
    {
        int channels = decoder.Decode(file, shape, pixels, resizeMode);
        if (channels != shape.Channels && !convertsChannels)
        {
            throw new ChannelMismatchException(
                $"the image has {Describe(channels)}, the first image has {Describe(shape.Channels)}. "
                + "Set ImageChannels to 1 or 3 to convert all images.");
        }

        static string Describe(int channels) => channels == 1 ? "1 channel (grey)" : $"{channels} channels (colour)";
    }

    public ImageShape GetShape()
    {
        if (_shape is { } known)
            return known;
        _error!.Throw();
        return default;
    }

    public void Read(Span<byte> pixels)
    {
        _error?.Throw();
        _pixels.CopyTo(pixels);
    }

    public void AddContentTo(IncrementalHash hash)
    {
        if (_file is null)
            ImageReader.AppendUnreadable(hash);
        else
            ImageReader.Append(hash, _file);
    }
}
