using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class OptimizerStateTests
{
    private static readonly BaseOptimizer Sgd = new BaseOptimizer.Sgd(0.1);
    private static readonly BaseOptimizer AdamW = new BaseOptimizer.AdamW(0.01);

    public static IEnumerable<object[]> Settings => [[Sgd], [AdamW], [new BaseOptimizer.Sgd(0.1, Momentum: 0)]];

    [TestMethod]
    [DynamicData(nameof(Settings))]
    public void AResumedRunIsBitIdentical(BaseOptimizer settings)
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true), resumed = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Csam(), settings) { LearningRate = 0.03, Rho = 0.2 };
        Steps(net, optimizer, 0, 3);

        resumed.load_state_dict(net.state_dict());
        using var other = new SharpnessAwareOptimizer(resumed, SharpnessAwareMethod.Csam(), settings);
        using var reader = new BinaryReader(new MemoryStream([.. TestNets.Saved(optimizer.Save), 42]));
        other.Load(reader);
        Assert.AreEqual(0.03, other.LearningRate);
        Assert.AreEqual(0.2, other.Rho);
        Assert.AreEqual(42, reader.ReadByte());

        Steps(net, optimizer, 3, 6);
        Steps(resumed, other, 3, 6);
        CollectionAssert.AreEqual(TestNets.Values(net), TestNets.Values(resumed));
        CollectionAssert.AreEqual(TestNets.Saved(optimizer.Save), TestNets.Saved(other.Save));
    }

    [TestMethod]
    public void StateOfAnotherModuleOrOptimizerIsRejectedAndChangesNothing()
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        Steps(net, optimizer, 0, 2);
        byte[] before = TestNets.Saved(optimizer.Save);
        void Rejects(byte[] data, string message)
        {
            var e = Assert.ThrowsExactly<InvalidDataException>(() => optimizer.Load(new BinaryReader(new MemoryStream(data))));
            StringAssert.Contains(e.Message, message);
            CollectionAssert.AreEqual(before, TestNets.Saved(optimizer.Save));
        }
        byte[] SavedFor(Module<Tensor, Tensor> module, BaseOptimizer settings)
        {
            using var other = new SharpnessAwareOptimizer(module, SharpnessAwareMethod.Sam(), settings);
            return TestNets.Saved(other.Save);
        }

        Rejects(SavedFor(TestNets.ReferenceNet(batchNorm: true), AdamW), "base optimiser is 'AdamW', but 'SGD' is needed");
        Rejects(SavedFor(TestNets.ReferenceNet(batchNorm: true), new BaseOptimizer.Sgd(0.1, Momentum: 0)), "number of state vectors");
        Rejects(SavedFor(TestNets.ReferenceNet(batchNorm: false), Sgd), "number of trainable parameters is '4', but '6' is needed");
        Rejects(SavedFor(TestNets.ReferenceNet(batchNorm: true).to(ScalarType.Float32), Sgd), "element type is 'Float32'");
        Rejects(
            SavedFor(Sequential(("conv", Conv2d(1, 4, 3)), ("bn", BatchNorm2d(4)), ("fc", Linear(35, 3))).to(ScalarType.Float64), Sgd),
            "parameter is 'fc.weight [3, 35]', but 'fc.weight [3, 36]' is needed");
        Rejects([1, 2, 3, 4, 5], "not the state of a SharpnessAwareOptimizer");
        Rejects([.. before[..4], 9, .. before[5..]], "version of the format is '9'");
        for (int length = 0; length < before.Length; length += 37)
            Rejects(before[..length], "ends early");
    }

    [TestMethod]
    public void DamagedNumbersAreRejectedAndChangeNothing()
    {
        using DisposeScope scope = NewDisposeScope();
        using var optimizer = new SharpnessAwareOptimizer(
            TestNets.ReferenceNet(batchNorm: false), SharpnessAwareMethod.Sam(), new BaseOptimizer.Sgd(0.25, Momentum: 0));
        byte[] before = TestNets.Saved(optimizer.Save), damaged = [.. before];
        int learningRate = damaged.AsSpan().IndexOf(BitConverter.GetBytes(0.25));
        BitConverter.GetBytes(double.NaN).CopyTo(damaged, learningRate);
        Assert.ThrowsExactly<InvalidDataException>(() => optimizer.Load(new BinaryReader(new MemoryStream(damaged))));
        BitConverter.GetBytes(0.5).CopyTo(damaged, learningRate);
        BitConverter.GetBytes(-1L).CopyTo(damaged, learningRate + 16);
        Assert.ThrowsExactly<InvalidDataException>(() => optimizer.Load(new BinaryReader(new MemoryStream(damaged))));
        CollectionAssert.AreEqual(before, TestNets.Saved(optimizer.Save));
    }

    [TestMethod]
    public void ATextOfNegativeLengthIsRejectedAndChangesNothing()
    {
        using DisposeScope scope = NewDisposeScope();
        using var optimizer = new SharpnessAwareOptimizer(TestNets.ReferenceNet(batchNorm: false), SharpnessAwareMethod.Sam(), Sgd);
        byte[] before = TestNets.Saved(optimizer.Save);
        byte[] damaged = [.. before[..8], 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, .. before[8..]];
        var e = Assert.ThrowsExactly<InvalidDataException>(() => optimizer.Load(new BinaryReader(new MemoryStream(damaged))));
        StringAssert.Contains(e.Message, "The optimiser's state ends early or is damaged");
        CollectionAssert.AreEqual(before, TestNets.Saved(optimizer.Save));
    }

    private static void Steps(Module<Tensor, Tensor> net, SharpnessAwareOptimizer optimizer, int from, int to)
    {
        for (int t = from; t < to; t++)
        {
            (Tensor images, Tensor labels) = TestNets.ReferenceBatch(t);
            optimizer.Step(() => net.forward(images), labels);
        }
    }
}
