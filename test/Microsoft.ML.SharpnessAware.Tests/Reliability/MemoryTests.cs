namespace Microsoft.ML.SharpnessAware.Tests.Reliability;

[TestClass]
public sealed class MemoryTests
{
    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public void FitsScoringsAndPredictionsLeaveNothingBehind() => Live(LongRun.Choose(100, 2000), dispose: true);

    [TestMethod]
    public void TransformersThatNobodyDisposedAreCollected() => Live(LongRun.Choose(50, 500), dispose: false);

    /// <summary>In a process of its own, since other tests' tensors are counted too.</summary>
    private void Live(int rounds, bool dispose)
    {
        (int exitCode, string output, string error) = FreshProcess.Run(FreshProcess.Folder, ["live", $"{rounds}", $"{dispose}"]);
        Assert.AreEqual(0, exitCode, error);
        long[] numbers = [.. output.Split(' ').Select(long.Parse)];
        (long tensors, long kilobytes, long transformers, long kilobytesBefore) = (numbers[0], numbers[1], numbers[2], numbers[3]);
        TestContext.WriteLine(
            $"{rounds} rounds: {tensors} tensors and {transformers} transformers more, {kilobytes} kB resident more than the " +
                $"{kilobytesBefore} kB before.");

        Assert.AreEqual(0, tensors, "tensors that are still there");
        Assert.AreEqual(0, transformers, "transformers that are still there");
        // At first it is the runtime that grows; after some hundred rounds nothing does, where models are disposed. TorchSharp's modules
        // that
        // are only collected leave their native half behind, see NativeModule.
        Assert.IsLessThan(LongRun.IsOn && dispose ? 8 << 10 : kilobytesBefore / 2, kilobytes);
    }
}
