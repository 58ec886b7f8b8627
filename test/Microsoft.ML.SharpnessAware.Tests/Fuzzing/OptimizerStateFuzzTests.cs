using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Fuzzing;

[TestClass]
public sealed class OptimizerStateFuzzTests
{
    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public void StatesLoadOrAreRefusedAndThenNothingHasChanged()
    {
        using DisposeScope scope = NewDisposeScope();
        var net = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), new BaseOptimizer.AdamW(0.01));
        byte[] valid = Saved(optimizer);
        var fuzzing = new ReaderFuzzer(TestContext, "optimiser's state") { Documented = e => e.GetType() == typeof(InvalidDataException) };
        fuzzing.Run([valid], file =>
        {
            byte[] before = Saved(optimizer);
            try
            {
                using var reader = new BinaryReader(new MemoryStream(file));
                optimizer.Load(reader);
            }
            catch
            {
                CollectionAssert.AreEqual(before, Saved(optimizer));
                throw;
            }
        });
    }

    private static byte[] Saved(SharpnessAwareOptimizer optimizer)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        optimizer.Save(writer);
        return stream.ToArray();
    }
}
