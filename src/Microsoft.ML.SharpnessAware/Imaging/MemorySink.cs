using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Keeps the pixels in one CPU tensor [N, C, H, W], in native memory and of any size. With the number of rows known the tensor is allocated
/// once; else it grows in blocks, which are released one by one as the tensor is put together.
/// </summary>
internal sealed class MemorySink(ScalarType type, long? expectedRows) : PixelSink
{
    private const long BlockBytes = 32 << 20;

    private readonly List<Tensor> _blocks = [];
    private nint _block;
    private long _blockRows;
    private long _usedRows;

    public override ImagePixels Complete()
    {
        Tensor all = _blocks[0];
        if (_blocks.Count == 1 && _usedRows >= _blockRows / 2)
        {
            // Some rows fewer than were expected: memory that was never written to is none, and a copy would be as much again.
            all = all.narrow(0, 0, _usedRows).DetachFromDisposeScope();
            _blocks[0].Dispose();
        }
        else
        {
            all = Allocate(_usedRows + _blocks.SkipLast(1).Sum(block => block.shape[0]), Shape.Channels);
            long row = 0;
            for (int i = 0; i < _blocks.Count; i++)
                row += Move(i, all, row);
        }

        _blocks.Clear();
        return new TensorPixels(all);
    }

    public override void Dispose() => _blocks.ForEach(block => block.Dispose());

    protected override unsafe void Append(ReadOnlySpan<byte> pixels)
    {
        if (_usedRows == _blockRows)
            AddBlock(pixels.Length);
        pixels.CopyTo(new Span<byte>((byte*)_block + (_usedRows++ * pixels.Length), pixels.Length));
    }

    protected override void Repeat(int channels)
    {
        for (int i = 0; i < _blocks.Count; i++)
        {
            Tensor repeated = Allocate(_blocks[i].shape[0], channels);
            Move(i, repeated, row: 0);
            _blocks[i] = repeated;
        }

        if (_blocks.Count > 0)
            _block = TensorPixels.Start(_blocks[^1]);
    }

    /// <summary>Copies the rows of a block to a tensor, one channel to each of several, and disposes it; returns how many there
    /// were.</summary>
    private long Move(int block, Tensor target, long row)
    {
        long rows = block == _blocks.Count - 1 ? _usedRows : _blocks[block].shape[0];
        using (Tensor to = target.narrow(0, row, rows))
        using (Tensor from = _blocks[block].narrow(0, 0, rows))
            to.copy_(from);
        _blocks[block].Dispose();
        return rows;
    }

    private void AddBlock(int rowBytes)
    {
        _blockRows = _blocks.Count == 0 && expectedRows > 0 ? expectedRows.Value : Math.Max(1, BlockBytes / rowBytes);
        _usedRows = 0;
        _blocks.Add(Allocate(_blockRows, Shape.Channels));
        _block = TensorPixels.Start(_blocks[^1]);
    }

    private Tensor Allocate(long rows, int channels) =>
        empty([rows, channels, Shape.Height, Shape.Width], dtype: type, device: CPU).DetachFromDisposeScope();
}
