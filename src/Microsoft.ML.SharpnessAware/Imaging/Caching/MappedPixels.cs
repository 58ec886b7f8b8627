using System.IO.MemoryMappedFiles;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Pixels in a file of the cache, mapped into memory for reading: the system loads the pages that a batch touches and drops them when it
/// needs the room. Every batch is a copy, so that nothing can write to the file or outlive the map.
/// </summary>
internal sealed unsafe class MappedPixels : ImagePixels
{
    private readonly Map _map;

    /// <summary>Maps a file that was checked to have this trailer; the stream is taken over.</summary>
    public MappedPixels(FileStream file, CacheTrailer trailer)
        : this(new Map(file, trailer))
    {
    }

    private MappedPixels(Map map) => _map = map;

    /// <summary>What is behind the pixels in the file.</summary>
    public CacheTrailer Trailer => _map.Trailer;

    public override ScalarType Type => _map.Trailer.Type;

    public override ImageShape Shape => _map.Trailer.Shape;

    public override Tensor Batch(Tensor index)
    {
        Tensor batch = Allocate(index.shape[0]);
        if (index.shape[0] == 0)
            return batch;
        using var rows = index.data<long>();
        long bytes = _map.Trailer.ImageBytes;
        byte* target = (byte*)TensorPixels.Start(batch);
        foreach (long row in rows)
        {
            Buffer.MemoryCopy(_map.Row(row), target, bytes, bytes);
            target += bytes;
        }

        return batch;
    }

    public override Tensor Batch(long start, long count)
    {
        Tensor batch = Allocate(count);
        if (count == 0)
            return batch;
        long bytes = count * _map.Trailer.ImageBytes;
        _ = _map.Row(start + count - 1);
        Buffer.MemoryCopy(_map.Row(start), (void*)TensorPixels.Start(batch), bytes, bytes);
        return batch;
    }

    public override ImagePixels Share()
    {
        _map.AddOwner();
        return new MappedPixels(_map);
    }

    public override void Dispose() => _map.RemoveOwner();

    private Tensor Allocate(long rows) => empty([rows, Shape.Channels, Shape.Height, Shape.Width], dtype: Type, device: CPU);

    /// <summary>The mapped file, freed with the last of its owners.</summary>
    private sealed class Map
    {
        private readonly MemoryMappedFile _file;
        private readonly MemoryMappedViewAccessor _view;
        private readonly byte* _pixels;
        private int _owners = 1;

        public Map(FileStream file, CacheTrailer trailer)
        {
            Trailer = trailer;
            _file = MemoryMappedFile.CreateFromFile(
                file, mapName: null, capacity: 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
            _view = _file.CreateViewAccessor(0, trailer.Count * trailer.ImageBytes, MemoryMappedFileAccess.Read);
            _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _pixels);
        }

        public CacheTrailer Trailer { get; }

        public byte* Row(long row)
        {
            ObjectDisposedException.ThrowIf(Volatile.Read(ref _owners) == 0, typeof(MappedPixels));
            if (row < 0 || row >= Trailer.Count)
                throw new ArgumentOutOfRangeException(nameof(row), row, $"There are {Trailer.Count} images.");
            return _pixels + (row * Trailer.ImageBytes);
        }

        public void AddOwner() => Interlocked.Increment(ref _owners);

        public void RemoveOwner()
        {
            if (Interlocked.Decrement(ref _owners) > 0)
                return;
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
            _file.Dispose();
        }
    }
}
