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
        Fuzz(optimizer, "optimiser's state");
    }

    [TestMethod]
    public void StatesOfTorchsOptimizersLoadOrAreRefusedAndThenNothingHasChanged()
    {
        using DisposeScope scope = NewDisposeScope();
        var net = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), optim.AdamW(net.parameters(), 0.01));
        Fuzz(optimizer, "state of TorchSharp's optimiser");
    }

    [TestMethod]
    public void AveragesOfWeightsLoadOrAreRefusedAndThenNothingHasChanged()
    {
        using DisposeScope scope = NewDisposeScope();
        var net = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), new BaseOptimizer.Sgd(0.01));
        using WeightAverage average = WeightAverage.Exponential(optimizer);
        average.Update();
        byte[] valid = Saved(average);
        var fuzzing = new ReaderFuzzer(TestContext, "average of weights") { Documented = e => e.GetType() == typeof(InvalidDataException) };
        fuzzing.Run([valid], file =>
        {
            byte[] before = Saved(average);
            try
            {
                using var reader = new BinaryReader(new MemoryStream(file));
                average.Load(reader);
            }
            catch
            {
                CollectionAssert.AreEqual(before, Saved(average));
                throw;
            }
        });
    }

    private void Fuzz(SharpnessAwareOptimizer optimizer, string reader)
    {
        byte[] valid = Saved(optimizer);
        var fuzzing = new ReaderFuzzer(TestContext, reader) { Documented = e => e.GetType() == typeof(InvalidDataException) };
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

    private static byte[] Saved(SharpnessAwareOptimizer optimizer) => Saved(optimizer.Save);

    private static byte[] Saved(WeightAverage average) => Saved(average.Save);

    private static byte[] Saved(Action<BinaryWriter> save)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        save(writer);
        return stream.ToArray();
    }
}
