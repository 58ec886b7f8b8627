using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class MemorySinkTests
{
    /// <summary>Whatever was expected: all rows, some that were skipped, most of them, one, or more than came in one block.</summary>
    [TestMethod]
    [DataRow(10, 10L)]
    [DataRow(9, 10L)]
    [DataRow(2, 10L)]
    [DataRow(1, 1L)]
    [DataRow(12, 10L)]
    [DataRow(3, null)]
    public void RowsThatCameAreThereAndNoOthers(int count, long? expected)
    {
        using DisposeScope scope = NewDisposeScope();
        using var sink = new MemorySink(ScalarType.Byte, expected);
        for (int row = 0; row < count; row++)
            sink.Add([(byte)row, (byte)(row + 100)], new ImageShape(1, 1, 2));
        using ImagePixels pixels = sink.Complete();
        Tensor all = pixels.Batch(0, count);
        CollectionAssert.AreEqual(
            Enumerable.Range(0, count).SelectMany(row => new[] { (byte)row, (byte)(row + 100) }).ToArray(), all.data<byte>().ToArray());
        Assert.Throws<Exception>(() => pixels.Batch(0, count + 1));
    }
}
