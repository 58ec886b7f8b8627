using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>What would train wrongly without a word is an error with its cause.</summary>
[TestClass]
public sealed class ModuleContractTests : WithDisposeScope
{
    private static readonly BaseOptimizer Sgd = new BaseOptimizer.Sgd(0.1);

    [TestMethod]
    public void ASecondOptimizerOnTheSameModuleOrAParentIsRefused()
    {
        Module<Tensor, Tensor> child = Sequential(("fc", Linear(2, 2)), ("bn", BatchNorm1d(2))), parent = Sequential(("child", child));
        using var first = new SharpnessAwareOptimizer(child, SharpnessAwareMethod.Sam(), Sgd);
        foreach (Module module in new Module[] { child, parent })
        {
            var e = Assert.ThrowsExactly<InvalidOperationException>(() =>
                new SharpnessAwareOptimizer(module, SharpnessAwareMethod.Sam(), Sgd));
            StringAssert.Contains(e.Message, "belongs to another SharpnessAwareOptimizer");
            StringAssert.Contains(e.Message, "fc.weight'");
        }
        double[] before = TestNets.Values(child);
        first.Step(() => child.call(randn(4, 2)), zeros(4, int64));
        CollectionAssert.AreNotEqual(before, TestNets.Values(child));

        first.Dispose();
        using var second = new SharpnessAwareOptimizer(parent, SharpnessAwareMethod.Sam(), Sgd);
        before = TestNets.Values(child);
        second.Step(() => parent.call(randn(4, 2)), zeros(4, int64));
        CollectionAssert.AreNotEqual(before, TestNets.Values(child));
    }

    [TestMethod]
    public void AnOptimizerThatIsDisposedTwiceTakesNothingFromTheNextOne()
    {
        Module<Tensor, Tensor> net = Sequential(("fc", Linear(2, 2)), ("bn", BatchNorm1d(2)));
        var first = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        first.Dispose();
        using var second = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        first.Dispose();
        Assert.ThrowsExactly<InvalidOperationException>(() => new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd));
        double[] before = TestNets.Values(net);
        second.Step(() => net.call(randn(4, 2)), zeros(4, int64));
        CollectionAssert.AreNotEqual(before, TestNets.Values(net));
    }

    [TestMethod]
    public void ASecondOptimizerOfOtherParametersButTheSameStatisticsIsRefusedAndTakesNothing()
    {
        Linear fc = Linear(2, 2);
        Module<Tensor, Tensor> net = Sequential(("fc", fc), ("bn", BatchNorm1d(2)));
        fc.weight.requires_grad = fc.bias!.requires_grad = false;
        var first = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        fc.weight.requires_grad = fc.bias!.requires_grad = true;
        foreach (Parameter parameter in net.parameters().Skip(2))
            parameter.requires_grad = false;
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd));
        StringAssert.Contains(e.Message, "'bn.running_");
        first.Dispose();
        using var second = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        second.Step(() => net.call(randn(4, 2)), zeros(4, int64));
    }

    [TestMethod]
    [DataRow("a negative learning rate")]
    [DataRow("a rule that throws")]
    public void AnOptimizerThatCouldNotBeMadeKeepsNothing(string what)
    {
        Linear frozen = Linear(2, 2);
        Module<Tensor, Tensor> net = Sequential(("frozen", frozen), ("bn", BatchNorm1d(2)), ("fc", Linear(2, 2)));
        AssertFails();
        Assert.IsTrue(net.parameters().All(parameter => parameter.requires_grad));

        using var second = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), new SignDescent(0.01));
        double[] before = TestNets.Values(frozen);
        second.Step(() => net.call(randn(4, 2)), zeros(4, int64));
        CollectionAssert.AreNotEqual(before, TestNets.Values(frozen));

        void AssertFails() => Assert.Throws<ArgumentException>(() => what == "a negative learning rate" ? Make(-0.01, 0) : Make(0.01, -1));

        SharpnessAwareOptimizer Make(double rate, int states) =>
            new(net, SharpnessAwareMethod.Sam(), new SignDescent(rate, states), groups: [new("frozen.*") { Frozen = true }]);
    }

    private sealed record SignDescent(double Rate, int States = 0) : BaseOptimizer
    {
        public override double LearningRate { get; init; } = Rate;

        protected internal override int StateCount => States;

        protected internal override void Update(ParameterUpdate update) =>
            update.Weights.sub_(update.Gradient.sign() * update.LearningRate);
    }

    [TestMethod]
    public void TwoNetworksHaveTwoOptimizers()
    {
        Linear one = Linear(2, 2), two = Linear(2, 2);
        using var first = new SharpnessAwareOptimizer(one, SharpnessAwareMethod.Sam(), Sgd);
        using var second = new SharpnessAwareOptimizer(two, SharpnessAwareMethod.Sam(), Sgd);
        double[] before = TestNets.Values(two);
        first.Step(() => two.call(one.call(ones(3, 2))), zeros(3, int64));
        CollectionAssert.AreEqual(before, TestNets.Values(two));
        second.Step(() => two.call(one.call(ones(3, 2))), zeros(3, int64));
        CollectionAssert.AreNotEqual(before, TestNets.Values(two));
    }

    [TestMethod]
    public void AParameterThatIsFrozenLaterStaysAndOneThatIsFreedLaterIsAnError()
    {
        foreach (BaseOptimizer settings in new[] { new BaseOptimizer.Sgd(0.1, WeightDecay: 0.1),
            (BaseOptimizer)new BaseOptimizer.AdamW(0.1) })
        {
            Linear first = Linear(2, 2), last = Linear(2, 2);
            Module<Tensor, Tensor> net = Sequential(first, last);
            using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), settings);
            Step();
            first.weight.requires_grad = false;
            float[] frozen = [.. first.weight.data<float>()], bias = [.. first.bias!.data<float>()];
            Step();
            CollectionAssert.AreEqual(frozen, first.weight.data<float>().ToArray());
            CollectionAssert.AreNotEqual(bias, first.bias!.data<float>().ToArray());
            first.weight.requires_grad = true;
            Step();
            CollectionAssert.AreNotEqual(frozen, first.weight.data<float>().ToArray());

            void Step() => optimizer.Step(() => net.call(ones(3, 2)), zeros(3, int64));
        }

        Linear late = Linear(2, 2), trained = Linear(2, 2);
        late.weight.requires_grad = false;
        Module<Tensor, Tensor> other = Sequential(("late", late), ("trained", trained));
        using var refusing = new SharpnessAwareOptimizer(other, SharpnessAwareMethod.Sam(), Sgd);
        late.weight.requires_grad = true;
        double[] before = TestNets.Values(other);
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => refusing.Step(() => other.call(ones(3, 2)), zeros(3, int64)));
        StringAssert.Contains(e.Message, "'late.weight' requires a gradient now");
        CollectionAssert.AreEqual(before, TestNets.Values(other));
    }

    [TestMethod]
    public void ALossThatIsOneNumberWhereEachSampleHasOneIsRefused()
    {
        foreach (SharpnessAwareMethod method in new[] { SharpnessAwareMethod.Standard, SharpnessAwareMethod.Csam() })
        {
            Linear net = Linear(2, 2);
            using var optimizer = new SharpnessAwareOptimizer(net, method, Sgd, new MeanLoss());
            foreach (Tensor labels in new[] { zeros(3, int64), full(3, 2, 0.5f) })
            {
                var e = Assert.ThrowsExactly<ArgumentException>(() => optimizer.Step(() => net.call(ones(3, 2)), labels));
                StringAssert.Contains(e.Message, "The loss MeanLoss gave Float32 []");
            }
        }
    }

    [TestMethod]
    public void BackwardInsideTheFunctionIsRefused()
    {
        Linear net = Linear(2, 2);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        double[] before = TestNets.Values(net);
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => optimizer.Step(() =>
        {
            Tensor loss = functional.cross_entropy(net.call(ones(3, 2)), zeros(3, int64));
            loss.backward(retain_graph: true);
            return loss;
        }));
        StringAssert.Contains(e.Message, "called backward() itself");
        CollectionAssert.AreEqual(before, TestNets.Values(net));

        // A gradient that was made between steps is none of the optimiser's business.
        net.call(ones(3, 2)).sum().backward();
        optimizer.Step(() => net.call(ones(3, 2)), zeros(3, int64));
    }

    [TestMethod]
    public void ASoftmaxAtTheEndIsFoundInTheFirstBatch()
    {
        foreach (ClassificationLoss loss in new ClassificationLoss[] { new ClassificationLoss.CrossEntropy(),
            new ClassificationLoss.Focal() })
        {
            Module<Tensor, Tensor> net = Sequential(Linear(2, 3), Softmax(1));
            using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd, loss);
            double[] before = TestNets.Values(net);
            var e = Assert.ThrowsExactly<InvalidOperationException>(() => optimizer.Step(() => net.call(randn(3, 2)), zeros(3, int64)));
            StringAssert.Contains(e.Message, "The network gives probabilities");
            CollectionAssert.AreEqual(before, TestNets.Values(net));
        }
        // Logarithms of probabilities are logits like any other; and a single row, or a single class, may well sum to 1.
        Module<Tensor, Tensor> logarithms = Sequential(Linear(2, 3), LogSoftmax(1));
        using var fine = new SharpnessAwareOptimizer(logarithms, SharpnessAwareMethod.Sam(), Sgd);
        fine.Step(() => logarithms.call(randn(3, 2)), zeros(3, int64));
    }

    [TestMethod]
    public void AnInputThatIsChangedInPlaceIsFoundInTheFirstBatch()
    {
        Linear net = Linear(2, 3);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        Tensor images = ones(3, 2);
        var e = Assert.ThrowsExactly<InvalidOperationException>(
            () => optimizer.Step(x => net.call(x.sub_(0.5)), images, zeros(3, int64)));
        StringAssert.Contains(e.Message, "changes its input in place");
    }

    [TestMethod]
    public void NumbersBeyondFloatAreRefused()
    {
        void Rejects(string name, Func<object> make) =>
            Assert.AreEqual(name, Assert.ThrowsExactly<ArgumentOutOfRangeException>(make).ParamName);
        Rejects("LearningRate", () => new BaseOptimizer.Sgd(3.5e38));
        Rejects("WeightDecay", () => new BaseOptimizer.Sgd(0.1, WeightDecay: 1e39));
        Rejects("LearningRate", () => new BaseOptimizer.AdamW(1e300));
        Rejects("Epsilon", () => new BaseOptimizer.AdamW(0.1, Epsilon: 1e-50));
        Rejects("Rho", () => SharpnessAwareMethod.Sam(3.5e38));
        Rejects("Rho", () => SharpnessAwareMethod.Standard with { Rho = double.MaxValue });
    }

    /// <summary>Just below, no exception of libtorch's comes out: the step that meets what is no longer finite says so.</summary>
    [TestMethod]
    public void LargeNumbersEndInDivergence()
    {
        const double Large = 3.4e38;
        foreach (BaseOptimizer settings in new BaseOptimizer[]
        {
            new BaseOptimizer.Sgd(Large, WeightDecay: Large), new BaseOptimizer.AdamW(Large, WeightDecay: Large),
            new BaseOptimizer.Adam(Large), new BaseOptimizer.Lion(Large, WeightDecay: 0),
        })
        {
            Linear net = Linear(2, 3);
            using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Standard, settings);
            Assert.ThrowsExactly<TrainingDivergedException>(() =>
            {
                for (int t = 0; t < 5; t++)
                    optimizer.Step(() => net.call(ones(3, 2)), zeros(3, int64));
            });
        }

        foreach (bool normalize in new[] { true, false })
        {
            Linear net = Linear(2, 3);
            SharpnessAwareMethod method = SharpnessAwareMethod.Sam(Large) with { NormalizeAscent = normalize, Period = 3 };
            using var optimizer = new SharpnessAwareOptimizer(net, method, Sgd);
            Step();
            Step();
            double[] before = TestNets.Values(net);
            Assert.ThrowsExactly<TrainingDivergedException>(Step);
            CollectionAssert.AreEqual(before, TestNets.Values(net));

            void Step() => optimizer.Step(() => net.call(ones(3, 2)), zeros(3, int64));
        }
    }

    private sealed record MeanLoss : ClassificationLoss
    {
        public override Tensor PerSample(Tensor logits, Tensor labels) => functional.cross_entropy(logits, labels);

        public override Tensor PerClass(Tensor logits) => logits.mean();
    }
}
