using System.Collections.Concurrent;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Decodes images on all processors while the next ones are read, and hands them on in the order in which they came. Only so many are on
/// their way at a time that memory stays bounded.
/// </summary>
internal sealed class ParallelDecoding(Action<EncodedImage, long, long> handOn, Action? checkCancelled)
{
    private const int MaxRows = 64;

    // Files and pixels of the images on their way together; at least one is, however large.
    private const long MaxBytes = 64 << 20;

    // Each worker may hold one decoded photograph at its full size, which is hundreds of megabytes at worst.
    private static readonly int Workers = Math.Min(Environment.ProcessorCount, 8);

    private readonly TaskFactory _workers = new(new ConcurrentExclusiveSchedulerPair(TaskScheduler.Default, Workers).ConcurrentScheduler);
    private readonly ConcurrentBag<ImageDecoder> _decoders = [];
    private readonly Queue<(EncodedImage Image, long Label, long Row, Task Decoded)> _onTheirWay = new(MaxRows);
    private long _bytes;

    /// <summary>Adds a row, to be decoded as soon as a processor is free; where too many are on their way, the first of them are handed
    /// on.</summary>
    public void Add(EncodedImage image, long label, long row)
    {
        _onTheirWay.Enqueue((image, label, row, _workers.StartNew(() => Decode(image))));
        _bytes += image.Length;
        while (_onTheirWay.Count > MaxRows || (_bytes > MaxBytes && _onTheirWay.Count > 1))
            HandOnFirst();
    }

    /// <summary>Hands on what is left.</summary>
    public void Flush()
    {
        while (_onTheirWay.Count > 0)
            HandOnFirst();
    }

    private void HandOnFirst()
    {
        (EncodedImage image, long label, long row, Task decoded) = _onTheirWay.Dequeue();
        decoded.GetAwaiter().GetResult();
        checkCancelled?.Invoke();
        handOn(image, label, row);
        _bytes -= image.Length;
    }

    private void Decode(EncodedImage image)
    {
        if (!_decoders.TryTake(out ImageDecoder? decoder))
            decoder = new ImageDecoder();
        image.Decode(decoder);
        _decoders.Add(decoder);
    }
}
