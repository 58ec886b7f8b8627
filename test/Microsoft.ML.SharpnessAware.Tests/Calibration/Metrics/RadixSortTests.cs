using CsCheck;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class RadixSortTests
{
    [TestMethod]
    [DataRow(0, 0u, uint.MaxValue)]
    [DataRow(1, 0u, uint.MaxValue)]
    [DataRow(2_048, 0u, uint.MaxValue)]
    [DataRow(2_049, 0u, uint.MaxValue)]
    [DataRow(50_000, 0u, uint.MaxValue)]
    [DataRow(50_000, 4_000_000_000u, 4_000_001_000u)]
    [DataRow(50_000, 4_000_000_000u, 4_003_000_000u)]
    [DataRow(5_000, 7u, 7u)]
    public void SortsAsTheLibraryDoes(int count, uint smallest, uint largest)
    {
        Random random = new(count);
        uint[] values = [.. Enumerable.Range(0, count).Select(_ => smallest + (uint)random.NextInt64(largest - smallest + 1L))];
        uint[] expected = [.. values.Order()];
        RadixSort.Sort(values);
        CollectionAssert.AreEqual(expected, values);
    }

    [TestMethod]
    public void AnyValues() => Gen.UInt.Array[2_000, 3_000].Sample(values =>
    {
        uint[] sorted = [.. values];
        RadixSort.Sort(sorted);
        CollectionAssert.AreEqual(values.Order().ToArray(), sorted);
    }, iter: 30);
}
