using System.Collections.Concurrent;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Decodes images on all processors, a block of rows at a time, and hands them on in the order in which they came.</summary>
internal sealed class ParallelDecoding(Action<IImageSource, long, long> handOn, Action? checkCancelled)
{
    private const int MaxRows = 64;

    // Files and pixels of a block together; a block has at least one image, however large.
    private const long MaxBytes = 64 << 20;

    // Each worker may hold one decoded photograph at its full size, which is hundreds of megabytes at worst.
    private static readonly ParallelOptions Workers = new() { MaxDegreeOfParallelism = Math.Min(Environment.ProcessorCount, 8) };

    private readonly ConcurrentBag<ImageDecoder> _decoders = [];
    private readonly List<(EncodedImage Image, long Label, long Row)> _block = new(MaxRows);
    private long _bytes;

    /// <summary>Adds a row; a full block is decoded and handed on.</summary>
    public void Add(EncodedImage image, long label, long row)
    {
        _block.Add((image, label, row));
        _bytes += image.Length + image.PixelBytes;
        if (_block.Count == MaxRows || _bytes >= MaxBytes)
            Flush();
    }

    /// <summary>Decodes what is left and hands it on.</summary>
    public void Flush()
    {
        Parallel.For(0, _block.Count, Workers, i =>
        {
            if (!_decoders.TryTake(out ImageDecoder? decoder))
                decoder = new ImageDecoder();
            _block[i].Image.Decode(decoder);
            _decoders.Add(decoder);
        });
        foreach ((EncodedImage image, long label, long row) in _block)
        {
            checkCancelled?.Invoke();
            handOn(image, label, row);
        }

        _block.Clear();
        _bytes = 0;
    }
}
