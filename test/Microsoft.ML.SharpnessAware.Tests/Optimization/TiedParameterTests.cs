using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>
/// One parameter under two names. TorchSharp's embeddings and recurrent layers give a new object of their weights each time they are asked.
/// </summary>
[TestClass]
public sealed class TiedParameterTests : WithDisposeScope
{
    private const int Words = 5, Width = 3;

    private static readonly BaseOptimizer Sgd = new BaseOptimizer.Sgd(0.1);

    [TestMethod]
    [DataRow("own", false)]
    [DataRow("own", true)]
    [DataRow("torch", false)]
    [DataRow("torch", true)]
    public void AnEmbeddingTiedToTheOutputTrainsAsOneParameter(string optimizers, bool adam)
    {
        foreach (SharpnessAwareMethod method in new[] { SharpnessAwareMethod.Standard, SharpnessAwareMethod.Sam(0.3) })
        {
            using var tied = new TiedNet();
            using var one = new OneParameterNet(tied.Head.weight!);
            using SharpnessAwareOptimizer first = Make(tied), second = Make(one);
            float[] before = Values(tied.Head.weight!);
            for (int t = 0; t < 5; t++)
                Assert.AreEqual(Step(second, one, t), Step(first, tied, t), 1e-5);
            CollectionAssert.AreNotEqual(before, Values(tied.Head.weight!));
            AssertNear(Values(one.Weight), Values(tied.Head.weight!));
            AssertNear(Values(one.Weight), Values(tied.Words.weight!));

            SharpnessAwareOptimizer Make(Module net) => (optimizers, adam) switch
            {
                ("own", false) => new(net, method, new BaseOptimizer.Sgd(0.1, WeightDecay: 0.1)),
                ("own", true) => new(net, method, new BaseOptimizer.AdamW(0.01, WeightDecay: 0.1)),
                (_, false) => new(net, method, optim.SGD(net.parameters(), 0.1, 0.9, weight_decay: 0.1)),
                _ => new(net, method, optim.AdamW(net.parameters(), 0.01, weight_decay: 0.1)),
            };
        }
    }

    [TestMethod]
    public void AnEmbeddingTiedToTheOutputTrainsAsWithTorchSharpsOwnSgd()
    {
        using var tied = new TiedNet();
        using var twin = new OneParameterNet(tied.Words.weight!);
        using var optimizer = new SharpnessAwareOptimizer(tied, SharpnessAwareMethod.Standard, Sgd);
        using var theirs = optim.SGD(twin.parameters(), 0.1, 0.9, weight_decay: 5e-4);
        for (int t = 0; t < 5; t++)
        {
            Step(optimizer, tied, t);
            (Tensor words, Tensor next) = Batch(t);
            theirs.zero_grad();
            functional.cross_entropy(twin.call(words), next).backward();
            theirs.step();
        }
        AssertNear(Values(twin.Weight), Values(tied.Words.weight!));
    }

    [TestMethod]
    public void TiedWeightsOfRecurrentCellsAreThereOnce()
    {
        RNNCell one = RNNCell(Width, Width), two = RNNCell(Width, Width);
        two.weight_hh = one.weight_hh!;
        using var flat = new FlatParameters(new Holder(one, two));
        Assert.AreEqual((4 * Width) + (3 * Width * Width), flat.Count);
    }

    [TestMethod]
    public void AnAverageAndTheStateAreOfOneParameter()
    {
        using var tied = new TiedNet();
        using var optimizer = new SharpnessAwareOptimizer(tied, SharpnessAwareMethod.Sam(), new BaseOptimizer.AdamW(0.01));
        CollectionAssert.AreEqual(new[] { $"Words.weight [{Words}, {Width}]" }, optimizer.Parameters.Names.ToArray());
        using WeightAverage average = WeightAverage.Exponential(optimizer, 0.5);
        Step(optimizer, tied, 0);
        average.Update();
        float[] averaged = Values(tied.Head.weight!);
        Step(optimizer, tied, 1);
        float[] own = Values(tied.Head.weight!);
        using (average.Apply())
        {
            CollectionAssert.AreEqual(averaged, Values(tied.Head.weight!));
            CollectionAssert.AreEqual(averaged, Values(tied.Words.weight!));
        }
        CollectionAssert.AreEqual(own, Values(tied.Words.weight!));

        using var resumed = new TiedNet();
        resumed.load_state_dict(tied.state_dict());
        using var other = new SharpnessAwareOptimizer(resumed, SharpnessAwareMethod.Sam(), new BaseOptimizer.AdamW(0.01));
        using var state = new MemoryStream();
        optimizer.Save(new BinaryWriter(state));
        state.Position = 0;
        other.Load(new BinaryReader(state));
        Step(optimizer, tied, 2);
        Step(other, resumed, 2);
        CollectionAssert.AreEqual(Values(tied.Head.weight!), Values(resumed.Head.weight!));
    }

    [TestMethod]
    public void ASecondOptimizerOnAModuleThatIsTiedToAnotherIsRefused()
    {
        using var tied = new TiedNet();
        using var first = new SharpnessAwareOptimizer(tied.Words, SharpnessAwareMethod.Sam(), Sgd);
        var e = Assert.ThrowsExactly<InvalidOperationException>(
            () => new SharpnessAwareOptimizer(tied.Head, SharpnessAwareMethod.Sam(), Sgd));
        StringAssert.Contains(e.Message, "'weight' of the module belongs to another SharpnessAwareOptimizer");
        first.Dispose();
        using var second = new SharpnessAwareOptimizer(tied.Head, SharpnessAwareMethod.Sam(), Sgd);
    }

    [TestMethod]
    public void GroupsThatDifferBetweenTheNamesOfOneParameterAreRefusedAndCommonOnesServe()
    {
        using var tied = new TiedNet();
        foreach (ParameterGroup[] groups in new ParameterGroup[][]
        {
            [new("Head.*") { Frozen = true }],
            [new(tied.Words) { LearningRateFactor = 0.1 }, ParameterGroup.Rest],
        })
        {
            var e = Assert.ThrowsExactly<ArgumentException>(
                () => new SharpnessAwareOptimizer(tied, SharpnessAwareMethod.Sam(), Sgd, groups: groups));
            StringAssert.Contains(e.Message, "'Words.weight' and 'Head.weight' are one parameter");
            Assert.AreEqual("groups", e.ParamName);
        }
        Assert.IsTrue(tied.parameters().All(parameter => parameter.requires_grad));

        using var still = new SharpnessAwareOptimizer(
            tied, SharpnessAwareMethod.Sam(), Sgd, groups: [new("*.weight") { LearningRateFactor = 0 }]);
        float[] before = Values(tied.Head.weight!);
        Step(still, tied, 0);
        CollectionAssert.AreEqual(before, Values(tied.Head.weight!));
    }

    [TestMethod]
    public void OneParameterInTwoGroupsOfTorchSharpsOptimizerIsRefused()
    {
        using var tied = new TiedNet();
        using var theirs = optim.SGD(
            [new SGD.ParamGroup(tied.Words.parameters(), lr: 0.1), new SGD.ParamGroup(tied.Head.parameters(), lr: 0.2)], 0.1);
        var e = Assert.ThrowsExactly<ArgumentException>(() => new SharpnessAwareOptimizer(tied, SharpnessAwareMethod.Sam(), theirs));
        StringAssert.Contains(e.Message, "'Words.weight' is in two groups of this SGD");
    }

    [TestMethod]
    public void ParametersThatShareMemoryWithoutBeingOneAreRefusedByBothNames()
    {
        Tensor memory = randn(4, 6);
        foreach (Tensor other in new[] { memory.alias(), memory.t(), memory.narrow(1, 3, 2), memory[3] })
        {
            var e = Assert.ThrowsExactly<ArgumentException>(() => new FlatParameters(Two(memory.narrow(0, 0, 4), other)));
            StringAssert.Contains(e.Message, "Parameter 'One' shares memory with parameter 'Two'");
        }
        // What lies side by side, even interleaved, has nothing in common.
        foreach ((Tensor left, Tensor right) in new[]
        {
            (memory.narrow(1, 0, 3), memory.narrow(1, 3, 3)), (memory.narrow(0, 0, 2), memory.narrow(0, 2, 2)),
            (memory.narrow(0, 0, 0), memory.narrow(0, 0, 0)),
        })
        {
            using var flat = new FlatParameters(new Holder(Two(left, right), Linear(2, 2)));
        }

        static Module Two(Tensor one, Tensor two) => new TwoParameters(one.detach(), two.detach());
    }

    /// <summary>The other one stood still, or went along with the weights, before; it would do neither afterwards.</summary>
    [TestMethod]
    public void WhatIsFrozenOrABufferSharesNoMemoryWithWhatIsTrained()
    {
        Tensor memory = zeros(4, 6);
        using var frozen = new TwoParameters(memory.detach(), memory.narrow(1, 2, 3).detach());
        frozen.One.requires_grad = false;
        Refused(frozen, "Parameter 'Two' shares memory with frozen parameter 'One'");

        using var buffered = new WithBuffer(memory.detach(), memory.t());
        Refused(buffered, "Parameter 'One' shares memory with buffer 'Alias'");

        // Frozen among themselves they stay what they are.
        using var both = new TwoParameters(memory.detach(), memory.narrow(1, 2, 3).detach());
        both.One.requires_grad = both.Two.requires_grad = false;
        using var flat = new FlatParameters(new Holder(both, Linear(2, 2)));

        static void Refused(Module module, string message)
        {
            ArgumentException e = Assert.ThrowsExactly<ArgumentException>(() => new FlatParameters(module));
            StringAssert.Contains(e.Message, message);
        }
    }

    private static double Step(SharpnessAwareOptimizer optimizer, Module<Tensor, Tensor> net, int t)
    {
        (Tensor words, Tensor next) = Batch(t);
        return optimizer.Step(() => net.call(words), next);
    }

    private static (Tensor Words, Tensor Next) Batch(int t)
    {
        Tensor words = (arange(8) * (t + 2)).remainder(Words);
        return (words, (words + 1).remainder(Words));
    }

    private static float[] Values(Tensor weight) => [.. weight.detach().data<float>()];

    private static void AssertNear(float[] expected, float[] actual)
    {
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 1e-5f);
    }

    private sealed class TiedNet : Module<Tensor, Tensor>
    {
        public readonly Embedding Words = Embedding(TiedParameterTests.Words, Width);
        public readonly Linear Head = Linear(Width, TiedParameterTests.Words, hasBias: false);

        public TiedNet() : base(nameof(TiedNet))
        {
            Head.weight = Words.weight!;
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => Head.call(Words.call(input));
    }

    private sealed class OneParameterNet : Module<Tensor, Tensor>
    {
        public readonly Parameter Weight;

        public OneParameterNet(Tensor weight) : base(nameof(OneParameterNet))
        {
            Weight = Parameter(weight.detach().clone());
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => Weight.index_select(0, input).matmul(Weight.t());
    }

    private sealed class TwoParameters : Module
    {
        public readonly Parameter One, Two;

        public TwoParameters(Tensor one, Tensor two) : base(nameof(TwoParameters))
        {
            (One, Two) = (Parameter(one), Parameter(two));
            RegisterComponents();
        }
    }

    private sealed class WithBuffer : Module
    {
        public readonly Parameter One;

        public WithBuffer(Tensor one, Tensor alias) : base(nameof(WithBuffer))
        {
            One = Parameter(one);
            register_buffer("Alias", alias);
            RegisterComponents();
        }
    }

    private sealed class Holder : Module
    {
        public readonly Module First, Second;

        public Holder(Module first, Module second) : base(nameof(Holder))
        {
            (First, Second) = (first, second);
            RegisterComponents();
        }
    }
}
