using System.Security.Cryptography;
using TorchSharp;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Writes the pixels to a new file of the cache. The file gets its name, that of the content it was made of, when it is complete; whatever
/// happens before leaves nothing that could be taken for a cache, and nothing at all unless the process dies.
/// </summary>
internal sealed class CacheSink(PixelCache cache, ImageColumn images) : PixelSink
{
    private readonly IncrementalHash _content = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly IncrementalHash _checksum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly List<long> _badRows = [];
    private string? _temporary;
    private Stream? _file;
    private ImageShape _shape;
    private byte[] _row = [];
    private long _count;

    public override void Add(IImageSource image)
    {
        image.AddContentTo(_content);
        if (_row.Length == 0)
        {
            _shape = image.GetShape();
            _row = new byte[_shape.ValueCount * (int)images.PixelType.ElementSize()];
        }

        image.Read(_row);
        _checksum.AppendData(_row);
        cache.Write(() =>
        {
            if (_file is null)
                (_temporary, _file) = cache.CreateTemporary();
            _file.Write(_row);
        });
        _count++;
    }

    public override void Skip(long row) => _badRows.Add(row);

    public override ImagePixels Complete()
    {
        var trailer = new CacheTrailer
        {
            Settings = PixelCache.Settings(images),
            Content = _content.GetHashAndReset(),
            Checksum = _checksum.GetHashAndReset(),
            Type = images.PixelType,
            Shape = _shape,
            Count = _count,
            BadRows = [.. _badRows],
        };
        cache.Write(() =>
        {
            trailer.Write(_file!);
            _file!.Dispose();
        });
        return cache.Adopt(_temporary!, trailer);
    }

    public override void Dispose()
    {
        _content.Dispose();
        _checksum.Dispose();
        if (_temporary is null)
            return;
        try
        {
            _file?.Dispose();
        }
        catch (IOException)
        {
            // Where the disk is full, what the stream still holds cannot be written; it is not wanted any more either.
        }

        try
        {
            File.Delete(_temporary);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The error that led here says more than this one; what is left is taken away when the next file is written.
        }
    }
}
