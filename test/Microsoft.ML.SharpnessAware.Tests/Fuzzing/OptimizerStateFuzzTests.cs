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
        byte[] valid = TestNets.Saved(average.Save);
        var fuzzing = new ReaderFuzzer(TestContext, "average of weights") { Documented = e => e.GetType() == typeof(InvalidDataException) };
        fuzzing.Run([valid], file =>
        {
            byte[] before = TestNets.Saved(average.Save);
            try
            {
                using var reader = new BinaryReader(new MemoryStream(file));
                average.Load(reader);
            }
            catch
            {
                CollectionAssert.AreEqual(before, TestNets.Saved(average.Save));
                throw;
            }
        });
    }

    private void Fuzz(SharpnessAwareOptimizer optimizer, string reader)
    {
        byte[] valid = TestNets.Saved(optimizer.Save);
        var fuzzing = new ReaderFuzzer(TestContext, reader) { Documented = e => e.GetType() == typeof(InvalidDataException) };
        fuzzing.Run([valid], file =>
        {
            byte[] before = TestNets.Saved(optimizer.Save);
            try
            {
                using var reader = new BinaryReader(new MemoryStream(file));
                optimizer.Load(reader);
            }
            catch
            {
                CollectionAssert.AreEqual(before, TestNets.Saved(optimizer.Save));
                throw;
            }
        });
    }
}
