using CsCheck;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class BatchOrderTests
{
    [TestMethod]
    public void AnEpochHasEveryRowOnceInBatchesOfEqualSize() =>
        Gen.Select(Gen.Int[1, 500], Gen.Int[1, 130], Gen.Int, Gen.Int[1, 50]).Sample((rows, batchSize, seed, epoch) =>
        {
            var order = new BatchOrder(rows, batchSize, seed);
            List<ReadOnlyMemory<long>> batches = [.. order.Epoch(epoch)];
            int smallest = batches.Min(batch => batch.Length), largest = batches.Max(batch => batch.Length);
            return batches.Count == order.BatchesPerEpoch && largest <= batchSize && largest - smallest <= 1
                && batches.SelectMany(batch => batch.ToArray()).Order().SequenceEqual(Enumerable.Range(0, rows).Select(i => (long)i));
        });

    [TestMethod]
    public void EpochsDifferAndTheSameEpochOfTheSameSeedDoesNot()
    {
        long[] Rows(int seed, int epoch) => [.. new BatchOrder(100, 32, seed).Epoch(epoch).SelectMany(batch => batch.ToArray())];

        CollectionAssert.AreEqual(Rows(1, 1), Rows(1, 1));
        CollectionAssert.AreNotEqual(Rows(1, 1), Rows(1, 2));
        CollectionAssert.AreNotEqual(Rows(1, 1), Rows(2, 1));
    }
}
