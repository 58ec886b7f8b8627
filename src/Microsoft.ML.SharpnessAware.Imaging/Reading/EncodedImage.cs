using System.Runtime.ExceptionServices;
using System.Security.Cryptography;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// An image file that was read, to be decoded on any thread. What is wrong with it comes to light when it is its turn to be taken, so that
/// errors have the order of the rows.
/// </summary>
internal sealed class EncodedImage
{
    private readonly ImagePlace _place;
    private readonly byte[]? _file;
    private readonly ImageColumn? _column;
    private byte[] _pixels = [];
    private ExceptionDispatchInfo? _error;

    public EncodedImage(ImagePlace place, byte[] file, ImageColumn column) => (_place, _file, _column) = (place, file, column);

    /// <summary>An image whose file cannot be read (null).</summary>
    public EncodedImage(byte[]? file, InvalidOperationException error) => (_file, _error) = (file, ExceptionDispatchInfo.Capture(error));

    /// <summary>The bytes of the file and those that its pixels may need, together.</summary>
    public int Length => (_file?.Length ?? 0) + ((_column?.Shape?.Channels ?? 3) * (_column?.Height ?? 0) * (_column?.Width ?? 0));

    /// <summary>The channels that the file has: 1 for grey values, else 3.</summary>
    public int FileChannels { get; private set; }

    /// <summary>Decodes the image with a decoder that no other thread uses now.</summary>
    public void Decode(ImageDecoder decoder)
    {
        if (_column is null)
            return;
        try
        {
            (_pixels, FileChannels) = decoder.Decode(_file, _column.Height, _column.Width, _column.Shape?.Channels, _column.Resizing);
        }
        catch (Exception exception)
        {
            _error = ExceptionDispatchInfo.Capture(ImageReader.IsAboutTheImage(exception) ? _place.Error(exception) : exception);
        }
    }

    /// <summary>The pixels of a decoded image, and their shape: in the column's channels or, where it leaves them open, in those of the
    /// file.</summary>
    /// <exception cref="InvalidOperationException">The image cannot be used.</exception>
    public byte[] Pixels(out ImageShape shape)
    {
        _error?.Throw();
        shape = new ImageShape(_column!.Shape?.Channels ?? FileChannels, _column.Height, _column.Width);
        return _pixels;
    }

    /// <summary>Adds what the data holds, before it is decoded, to a hash.</summary>
    public void AddContentTo(IncrementalHash hash)
    {
        if (_file is null)
            ImageReader.AppendUnreadable(hash);
        else
            ImageReader.Append(hash, _file);
    }
}
