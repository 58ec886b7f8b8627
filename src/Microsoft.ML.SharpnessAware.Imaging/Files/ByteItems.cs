using System.Collections;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Many items of equal length, in blocks of memory: an item costs its bytes and no more, however small it is, and there is no more memory
/// than a block that has not been read.
/// </summary>
internal sealed class ByteItems : IReadOnlyList<ReadOnlyMemory<byte>>
{
    private const int BlockBytes = 16 << 20;

    private readonly List<byte[]> _blocks = [];
    private readonly int _itemBytes;
    private readonly int _perBlock;

    private ByteItems(int count, int itemBytes)
    {
        (Count, _itemBytes) = (count, itemBytes);
        _perBlock = Math.Max(1, BlockBytes / itemBytes);
    }

    public int Count { get; }

    public ReadOnlyMemory<byte> this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
            return _blocks[index / _perBlock].AsMemory(index % _perBlock * _itemBytes, _itemBytes);
        }
    }

    /// <exception cref="EndOfStreamException">The stream ends before the last item.</exception>
    public static ByteItems Read(Stream stream, int count, int itemBytes)
    {
        var items = new ByteItems(count, itemBytes);
        for (int done = 0; done < count; done += items._perBlock)
        {
            byte[] block = new byte[Math.Min(items._perBlock, count - done) * itemBytes];
            stream.ReadExactly(block);
            items._blocks.Add(block);
        }

        return items;
    }

    /// <summary>Changes each item in its place.</summary>
    public void Change(Action<Span<byte>> change)
    {
        for (int i = 0; i < Count; i++)
            change(_blocks[i / _perBlock].AsSpan(i % _perBlock * _itemBytes, _itemBytes));
    }

    /// <summary>All items, one after the other.</summary>
    public byte[] Concatenated()
    {
        byte[] all = new byte[Count * _itemBytes];
        int position = 0;
        foreach (byte[] block in _blocks)
        {
            block.CopyTo(all, position);
            position += block.Length;
        }

        return all;
    }

    public IEnumerator<ReadOnlyMemory<byte>> GetEnumerator()
    {
        for (int i = 0; i < Count; i++)
            yield return this[i];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
