using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Keeps the pixels in memory.</summary>
internal sealed class MemorySink(ScalarType type, long? expectedRows) : PixelSink
{
    private PixelStore? _store;

    public override void Add(IImageSource image)
    {
        _store ??= new PixelStore(image.GetShape(), type, expectedRows);
        Span<byte> row = _store.NextRow();
        try
        {
            image.Read(row);
        }
        catch
        {
            _store.DropRow();
            throw;
        }
    }

    public override void Skip(long row)
    {
    }

    public override ImagePixels Complete() => new TensorPixels(_store!.Complete());

    public override void Dispose() => _store?.Dispose();
}
