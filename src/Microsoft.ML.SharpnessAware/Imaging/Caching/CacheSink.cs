using System.Security.Cryptography;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Writes the pixels to a new file of the cache. The file gets its name, that of the content it was made of, when it is complete; whatever
/// happens before leaves nothing that could be taken for a cache, and nothing at all unless the process dies.
/// </summary>
internal sealed class CacheSink(PixelCache cache, ImageColumn images) : PixelSink
{
    private IncrementalHash _checksum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private string? _temporary;
    private Stream? _file;
    private long _count;

    /// <summary>SHA-256 of the images as the data had them, those left out included; to be set before the end.</summary>
    public byte[] Content { get; set; } = [];

    /// <summary>The rows, counted from 0, that were left out; likewise.</summary>
    public IReadOnlyList<long> BadRows { get; set; } = [];

    /// <summary>How many images were converted to the others' channels; likewise.</summary>
    public long Converted { get; set; }

    public override ImagePixels Complete()
    {
        var trailer = new CacheTrailer
        {
            Settings = PixelCache.Settings(images),
            Content = Content,
            Checksum = _checksum.GetHashAndReset(),
            Type = images.PixelType.ToScalarType(),
            Shape = Shape,
            Count = _count,
            Converted = Converted,
            BadRows = [.. BadRows],
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

    protected override void Append(ReadOnlySpan<byte> pixels)
    {
        _checksum.AppendData(pixels);
        try
        {
            if (_file is null)
                (_temporary, _file) = cache.CreateTemporary();
            _file.Write(pixels);
        }
        catch (Exception exception) when (PixelCache.IsAboutFiles(exception))
        {
            throw cache.CannotWrite(exception);
        }

        _count++;
    }

    /// <summary>Writes all images so far to another file.</summary>
    protected override void Repeat(int channels)
    {
        string before = _temporary!;
        cache.Write(_file!.Dispose);
        (_temporary, _file) = (null, null);
        _checksum.Dispose();
        _checksum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long count = _count;
        _count = 0;
        byte[] image = new byte[Shape.ValueCount], repeated = new byte[image.Length * channels];
        try
        {
            using FileStream file = cache.Write(() => File.OpenRead(before));
            for (long i = 0; i < count; i++)
            {
                file.ReadExactly(image);
                for (int channel = 0; channel < channels; channel++)
                    image.CopyTo(repeated.AsSpan(channel * image.Length));
                Append(repeated);
            }
        }
        finally
        {
            File.Delete(before);
        }
    }
}
