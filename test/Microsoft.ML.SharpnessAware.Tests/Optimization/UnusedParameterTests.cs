using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A parameter that the loss of a step does not depend on stays as it is, as in torch; one with a gradient of zero
/// decays.</summary>
[TestClass]
public sealed class UnusedParameterTests
{
    public static IEnumerable<object[]> Settings =>
    [
        [new BaseOptimizer.Sgd(0.1, Momentum: 0, WeightDecay: 0.5)],
        [new BaseOptimizer.Sgd(0.1, WeightDecay: 0.5)],
        [new BaseOptimizer.Sgd(0.1, WeightDecay: 0.5, Nesterov: true)],
        [new BaseOptimizer.AdamW(0.1, WeightDecay: 0.5)],
        [new BaseOptimizer.Adam(0.1, WeightDecay: 0.5)],
    ];

    [TestMethod]
    [DynamicData(nameof(Settings))]
    public void AnUnusedLayerIsNotDecayed(BaseOptimizer settings)
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (SharpnessAwareMethod method in new[]
            { SharpnessAwareMethod.Standard, SharpnessAwareMethod.Sam(), SharpnessAwareMethod.Ssam(), SharpnessAwareMethod.Asam() })
        {
            using var net = new TwoHeads();
            using (no_grad())
                net.Second.weight.fill_(1);
            using var optimizer = new SharpnessAwareOptimizer(net, method, settings with { DecayBiasAndNorm = true });
            for (int t = 0; t < 3; t++)
                optimizer.Step(() => net.First.call(ones(2, 2)), zeros(2, int64));
            Assert.IsTrue(net.Second.weight.eq(1).all().item<bool>(), $"{method}");
            Assert.IsFalse(net.First.weight.eq(net.Second.weight).any().item<bool>());
        }
    }

    [TestMethod]
    [DynamicData(nameof(Settings))]
    public void LayersThatAreUsedNowAndThenTrainAsInTorch(BaseOptimizer settings)
    {
        settings = settings with { DecayBiasAndNorm = true };
        using DisposeScope scope = NewDisposeScope();
        using TwoHeads ours = new(), theirs = new();
        ours.to(float64);
        theirs.to(float64);
        theirs.load_state_dict(ours.state_dict());
        using var optimizer = new SharpnessAwareOptimizer(ours, SharpnessAwareMethod.Standard, settings);
        using optim.Optimizer torchs = PlainStep.TorchOptimizer(settings, [.. theirs.parameters()]);
        Tensor x = randn(4, 2, dtype: float64), y = tensor(new long[] { 0, 1, 1, 0 });

        for (int t = 0; t < 12; t++)
        {
            optimizer.Step(() => ours.Head(t).call(x), y);
            torchs.zero_grad();
            foreach (Parameter parameter in theirs.parameters())
                parameter.grad = null;
            functional.cross_entropy(theirs.Head(t).call(x), y).backward();
            torchs.step();
        }
        double[] expected = TestNets.Values(theirs), actual = TestNets.Values(ours);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 1e-12);
    }

    [TestMethod]
    public void AGradientOfZeroIsAGradient()
    {
        using DisposeScope scope = NewDisposeScope();
        using var net = new TwoHeads();
        using (no_grad())
            net.Second.weight.fill_(1);
        using var optimizer = new SharpnessAwareOptimizer(
            net, SharpnessAwareMethod.Sam(), new BaseOptimizer.Sgd(0.1, Momentum: 0, WeightDecay: 0.5));
        optimizer.Step(() => net.First.call(ones(2, 2)) + (net.Second.call(ones(2, 2)) * 0), zeros(2, int64));
        Assert.IsTrue(net.Second.weight.eq(0.95f).all().item<bool>());
    }

    [TestMethod]
    public void TheNumberOfStepsOfEachParameterIsSaved()
    {
        using DisposeScope scope = NewDisposeScope();
        BaseOptimizer settings = new BaseOptimizer.AdamW(0.1);
        using TwoHeads net = new(), resumed = new();
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), settings);
        using var other = new SharpnessAwareOptimizer(resumed, SharpnessAwareMethod.Sam(), settings);
        Tensor x = ones(2, 2), y = tensor(new long[] { 0, 1 });
        for (int t = 0; t < 5; t++)
            optimizer.Step(() => net.Head(t).call(x), y);
        resumed.load_state_dict(net.state_dict());
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        optimizer.Save(writer);
        stream.Position = 0;
        other.Load(new BinaryReader(stream));
        optimizer.Step(() => net.Head(1).call(x), y);
        other.Step(() => resumed.Head(1).call(x), y);
        CollectionAssert.AreEqual(TestNets.Values(net), TestNets.Values(resumed));
    }

    /// <summary>In every third step the second head is used.</summary>
    private sealed class TwoHeads : Module<Tensor, Tensor>
    {
        public readonly Linear First = Linear(2, 2), Second = Linear(2, 2);

        public TwoHeads() : base(nameof(TwoHeads)) => RegisterComponents();

        public Linear Head(int step) => step % 3 == 1 ? Second : First;

        public override Tensor forward(Tensor input) => First.call(input);
    }
}
