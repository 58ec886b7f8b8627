namespace Microsoft.ML.SharpnessAware;

/// <summary>The rows of each mini-batch of an epoch: all rows once, in an order drawn from the seed and the epoch's number.</summary>
/// <remarks>
/// Batches are of equal size (±1) and none is larger than asked, so that every image weighs the same and batch norm never sees
/// a leftover of one image while others are full. Where processes have rows of their own, each is in every batch with its share of them, so
/// that none waits for another; a batch then has the rows of the first process first, and so on.
/// </remarks>
internal sealed class BatchOrder
{
    private const int OrderStream = 1;

    private readonly long _rows;
    private readonly int _seed;
    private readonly RowOwners? _owners;
    private readonly int[] _ownerAt;

    public BatchOrder(long rows, int batchSize, int seed, RowOwners? owners = null)
    {
        _rows = rows;
        _seed = seed;
        _owners = owners;
        _ownerAt = owners is null ? [] : Merge(owners, rows);
        BatchesPerEpoch = (int)((rows + batchSize - 1) / batchSize);
    }

    public int BatchesPerEpoch { get; }

    /// <summary>The fewest rows that one of so many processes has of its own in a mini-batch.</summary>
    public int SmallestPart(int processes)
    {
        if (_owners is null)
            return (int)(_rows / BatchesPerEpoch / processes);
        return Enumerable.Range(0, BatchesPerEpoch).Min(batch => CountsOf(batch).Min());
    }

    /// <summary>The row numbers of each batch of epoch <paramref name="epoch"/>.</summary>
    public IEnumerable<ReadOnlyMemory<long>> Epoch(int epoch)
    {
        long[] order = new long[_rows];
        for (int i = 0; i < order.Length; i++)
            order[i] = i;
        SeededRandom.Create(_seed, OrderStream, epoch).Shuffle(order);

        ILookup<int, long>? rowsOf = _owners is null ? null : order.ToLookup(row => _owners[row]);
        long[][] own = [.. Enumerable.Range(0, _owners?.Parts ?? 0).Select(part => rowsOf![part].ToArray())];
        int[] taken = new int[own.Length];
        for (int batch = 0; batch < BatchesPerEpoch; batch++)
        {
            (int start, int end) = PlacesOf(batch);
            if (_owners is null)
            {
                yield return order.AsMemory(start..end);
                continue;
            }
            int[] counts = CountsOf(batch);
            var rows = new List<long>(end - start);
            for (int part = 0; part < own.Length; part++)
            {
                rows.AddRange(own[part].AsSpan(taken[part], counts[part]));
                taken[part] += counts[part];
            }
            yield return rows.ToArray();
        }
    }

    private (int Start, int End) PlacesOf(int batch) =>
        ((int)(_rows * batch / BatchesPerEpoch), (int)(_rows * (batch + 1) / BatchesPerEpoch));

    private int[] CountsOf(int batch)
    {
        (int start, int end) = PlacesOf(batch);
        int[] counts = new int[_owners!.Parts];
        foreach (int owner in _ownerAt.AsSpan(start..end))
            counts[owner]++;
        return counts;
    }

    /// <summary>Whose row is at each place of an epoch: everyone's are spread over it evenly.</summary>
    private static int[] Merge(RowOwners owners, long rows)
    {
        int[] counts = new int[owners.Parts];
        for (long row = 0; row < rows; row++)
            counts[owners[row]]++;
        return [.. Enumerable.Range(0, owners.Parts)
            .SelectMany(part => Enumerable.Range(0, counts[part]).Select(i => (Place: (i + 0.5) / counts[part], Part: part)))
            .Order().Select(one => one.Part)];
    }
}
