using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Collects images, one after the other, into one CPU tensor [N, C, H, W], in native memory and of any size. With the number of rows known
/// the tensor is allocated once; else it grows in blocks, which are released one by one as the tensor is put together.
/// </summary>
internal sealed class PixelStore(ImageShape shape, ScalarType type, long? expectedRows) : IDisposable
{
    private const long BlockBytes = 32 << 20;

    private readonly List<Tensor> _blocks = [];
    private readonly int _rowBytes = shape.Channels * shape.Height * shape.Width * (int)type.ElementSize();
    private nint _block;
    private long _blockRows;
    private long _usedRows;

    /// <summary>Room for the next image, in the bytes of the tensor.</summary>
    public unsafe Span<byte> NextRow()
    {
        if (_usedRows == _blockRows)
            AddBlock();
        return new Span<byte>((byte*)_block + (_usedRows++ * _rowBytes), _rowBytes);
    }

    /// <summary>Takes back the last <see cref="NextRow"/>.</summary>
    public void DropRow() => _usedRows--;

    /// <summary>The tensor of all rows, which the caller owns; the store is empty afterwards.</summary>
    public Tensor Complete()
    {
        if (_blocks.Count == 1 && _usedRows == _blockRows)
        {
            Tensor only = _blocks[0];
            _blocks.Clear();
            return only;
        }

        long count = _usedRows + _blocks.SkipLast(1).Sum(block => block.shape[0]);
        Tensor all = Allocate(count);
        long row = 0;
        for (int i = 0; i < _blocks.Count; i++)
        {
            long rows = i == _blocks.Count - 1 ? _usedRows : _blocks[i].shape[0];
            using (Tensor target = all.narrow(0, row, rows))
            using (Tensor source = _blocks[i].narrow(0, 0, rows))
                target.copy_(source);
            _blocks[i].Dispose();
            row += rows;
        }

        _blocks.Clear();
        return all;
    }

    public void Dispose() => _blocks.ForEach(block => block.Dispose());

    private unsafe void AddBlock()
    {
        _blockRows = _blocks.Count == 0 && expectedRows > 0 ? expectedRows.Value : Math.Max(1, BlockBytes / _rowBytes);
        _usedRows = 0;
        _blocks.Add(Allocate(_blockRows));
        _block = TensorMemory.Start(_blocks[^1]);
    }

    private Tensor Allocate(long rows) =>
        empty([rows, shape.Channels, shape.Height, shape.Width], dtype: type, device: CPU).DetachFromDisposeScope();
}
