namespace Microsoft.ML.SharpnessAware;

/// <summary>The rows of each mini-batch of an epoch: all rows once, in an order drawn from the seed and the epoch's number.</summary>
/// <remarks>
/// Batches are of equal size (±1) and none is larger than asked, so that every image weighs the same and batch norm never sees
/// a leftover of one image while others are full.
/// </remarks>
internal sealed class BatchOrder
{
    private const int OrderStream = 1;

    private readonly long _rows;
    private readonly int _seed;

    public BatchOrder(long rows, int batchSize, int seed)
    {
        _rows = rows;
        _seed = seed;
        BatchesPerEpoch = (int)((rows + batchSize - 1) / batchSize);
    }

    public int BatchesPerEpoch { get; }

    /// <summary>The row numbers of each batch of epoch <paramref name="epoch"/>.</summary>
    public IEnumerable<ReadOnlyMemory<long>> Epoch(int epoch)
    {
        long[] order = new long[_rows];
        for (int i = 0; i < order.Length; i++)
            order[i] = i;
        SeededRandom.Create(_seed, OrderStream, epoch).Shuffle(order);

        for (int batch = 0; batch < BatchesPerEpoch; batch++)
        {
            int start = (int)(_rows * batch / BatchesPerEpoch);
            int end = (int)(_rows * (batch + 1) / BatchesPerEpoch);
            yield return order.AsMemory(start..end);
        }
    }
}
