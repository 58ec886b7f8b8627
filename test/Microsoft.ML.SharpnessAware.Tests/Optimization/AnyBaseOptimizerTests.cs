using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using static Microsoft.ML.SharpnessAware.Tests.AnyLoop;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>TorchSharp's optimisers and schedulers, and a rule of one's own, below the climb.</summary>
[TestClass]
public sealed class AnyBaseOptimizerTests : WithDisposeScope
{
    [TestMethod]
    public void TorchSharpsOptimizersAndSchedulersWorkOnTop()
    {
        foreach (bool adam in new[] { false, true })
        {
            SharpnessAwareMethod method = SharpnessAwareMethod.Ssam(0.3);
            double[] ours = Training(net => (new SharpnessAwareOptimizer(net, method, adam
                ? new BaseOptimizer.AdamW(0.01, WeightDecay: 0.1) { DecayBiasAndNorm = true }
                : new BaseOptimizer.Sgd(0.1, WeightDecay: 0.1) { DecayBiasAndNorm = true }), null), schedule: null);
            double[] theirs = Training(net => Torch(net, null), schedule: null);
            for (int i = 0; i < ours.Length; i++)
                Assert.AreEqual(ours[i], theirs[i], 1e-12);

            foreach (Func<optim.Optimizer, optim.lr_scheduler.LRScheduler> scheduler in new Func<optim.Optimizer,
                optim.lr_scheduler.LRScheduler>[]
                { o => optim.lr_scheduler.StepLR(o, 2, 0.5), o => optim.lr_scheduler.ExponentialLR(o, 0.8) })
            {
                double[] scheduled = Training(net => Torch(net, scheduler), null);
                int step = 0;
                double rate = adam ? 0.01 : 0.1;
                Func<double> next = scheduler(optim.SGD(Linear(1, 1).parameters(), 0.1)) is var kind && kind.GetType()
                    .Name.StartsWith("StepLR")
                    ? () => rate * Math.Pow(0.5, step++ / 2)
                    : () => rate * Math.Pow(0.8, step++);
                double[] byHand = Training(net => Torch(net, null), next);
                for (int i = 0; i < byHand.Length; i++)
                    Assert.AreEqual(byHand[i], scheduled[i], 1e-12);
            }

            (SharpnessAwareOptimizer, optim.lr_scheduler.LRScheduler?) Torch(
                Module<Tensor, Tensor> net, Func<optim.Optimizer, optim.lr_scheduler.LRScheduler>? scheduler)
            {
                optim.Optimizer torchs = adam
                    ? optim.AdamW(net.parameters(), 0.01, weight_decay: 0.1)
                    : optim.SGD(net.parameters(), 0.1, 0.9, weight_decay: 0.1);
                return (new SharpnessAwareOptimizer(net, method, torchs), scheduler?.Invoke(torchs));
            }
        }

        static double[] Training(
            Func<Module<Tensor, Tensor>, (SharpnessAwareOptimizer, optim.lr_scheduler.LRScheduler?)> make, Func<double>? schedule)
        {
            using DisposeScope scope = NewDisposeScope();
            Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
            (SharpnessAwareOptimizer optimizer, optim.lr_scheduler.LRScheduler? scheduler) = make(net);
            using SharpnessAwareOptimizer owned = optimizer;
            for (int t = 0; t < 6; t++)
            {
                (Tensor x, Tensor y) = TestNets.ReferenceBatch(t);
                if (schedule is not null)
                    optimizer.LearningRate = schedule();
                optimizer.Step(() => net.call(x), y);
                scheduler?.step();
            }
            return TestNets.Values(net);
        }
    }

    /// <summary>TorchSharp's optimisers pass over parameters without a gradient only.</summary>
    [TestMethod]
    [DataRow(false, false)]
    [DataRow(false, true)]
    [DataRow(true, false)]
    [DataRow(true, true)]
    public void WhatIsNotTrainedStaysWhateverGradientItHasFromBefore(bool adam, bool isGroup)
    {
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false), elsewhere = Linear(2, 2);
        IEnumerable<TorchSharp.Modules.Parameter> all = [.. net.parameters(), .. elsewhere.parameters()];
        using optim.Optimizer torchs = adam ? optim.AdamW(all, 0.01, weight_decay: 0.1) : optim.SGD(all, 0.1, 0.9, weight_decay: 0.1);
        (Tensor x, Tensor y) = TestNets.ReferenceBatch(0);
        for (int t = 0; t < 2; t++)
        {
            torchs.zero_grad();
            (functional.cross_entropy(net.call(x), y) + elsewhere.call(ones(1, 2)).sum()).backward();
            torchs.step();
        }
        Tensor kernel = net.get_parameter("conv.weight")!, gradient = kernel.grad!.clone();
        if (!isGroup)
        {
            foreach ((_, TorchSharp.Modules.Parameter parameter) in net.named_parameters().Where(entry => entry.name.StartsWith("conv")))
                parameter.requires_grad = false;
        }
        double[] before = TestNets.Values(net), ofElsewhere = TestNets.Values(elsewhere);
        int frozen = (int)(kernel.numel() + net.get_parameter("conv.bias")!.numel());

        using (var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), torchs,
            groups: isGroup ? [new ParameterGroup("conv.*") { Frozen = true }] : null))
        {
            for (int t = 0; t < 3; t++)
                optimizer.Step(() => net.call(x), y);
        }

        CollectionAssert.AreEqual(before[..frozen], TestNets.Values(net)[..frozen]);
        CollectionAssert.AreNotEqual(before[frozen..], TestNets.Values(net)[frozen..]);
        CollectionAssert.AreEqual(ofElsewhere, TestNets.Values(elsewhere));
        Assert.IsTrue(gradient.equal(kernel.grad!).all().item<bool>(), "its gradient is not the optimiser's to take");
    }

    [TestMethod]
    public void LbfgsIsRefusedAtOnce()
    {
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
        using optim.Optimizer lbfgs = optim.LBFGS(net.parameters());
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), lbfgs)).Message,
            "L-BFGS computes the loss itself");
        using var next = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), new BaseOptimizer.Sgd(0.1));
    }

    [TestMethod]
    [DataRow("of another module")]
    [DataRow("frozen")]
    public void AnOptimizerThatWouldTrainNothingIsRefusedAtOnce(string whose)
    {
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false), elsewhere = Linear(2, 2);
        IEnumerable<TorchSharp.Modules.Parameter> parameters = whose switch
        {
            "of another module" => elsewhere.parameters(),
            _ => net.named_parameters().Where(entry => entry.name.StartsWith("conv")).Select(entry => entry.parameter),
        };
        using optim.Optimizer torchs = optim.AdamW(parameters);
        ParameterGroup[]? groups = whose == "frozen" ? [new ParameterGroup("conv.*") { Frozen = true }] : null;

        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(
                () => new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), torchs, groups: groups)).Message,
            "None of the parameters of this AdamW is trained here");
        Assert.IsTrue(net.parameters().All(parameter => parameter.requires_grad));
        using var next = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), new BaseOptimizer.Sgd(0.1));
    }

    [TestMethod]
    public void AnOptimizerOfSomeOfTheParametersTrainsThose()
    {
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
        Tensor gradient = ones_like(net.get_parameter("fc.bias")!);
        net.get_parameter("fc.bias")!.grad = gradient;
        using optim.Optimizer torchs = optim.SGD([net.get_parameter("fc.bias")!], 0.1);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), torchs);
        Assert.IsTrue(net.get_parameter("fc.bias")!.grad!.equal(gradient).all().item<bool>(), "it is not taken before a step");
        double[] before = TestNets.Values(net);
        (Tensor x, Tensor y) = TestNets.ReferenceBatch(0);
        optimizer.Step(() => net.call(x), y);
        double[] after = TestNets.Values(net);
        CollectionAssert.AreEqual(before[..^3], after[..^3]);
        CollectionAssert.AreNotEqual(before[^3..], after[^3..]);
    }

    [TestMethod]
    public void ARuleOfOnesOwnTrains()
    {
        double[] actual = Train(SharpnessAwareMethod.Sam(0.3), (o, net, x, y) => o.Step(() => net.call(x), y), settings: new SignSgd(0.01));
        double[] lion = Train(SharpnessAwareMethod.Sam(0.3), (o, net, x, y) => o.Step(() => net.call(x), y),
            settings: new BaseOptimizer.Lion(0.01, Beta1: 0, Beta2: 0, WeightDecay: 0));
        CollectionAssert.AreEqual(lion, actual);
    }

    private sealed record SignSgd(double Rate) : BaseOptimizer
    {
        public override double LearningRate { get; init; } = Rate;

        protected internal override int StateCount => 0;

        protected internal override void Update(ParameterUpdate update)
        {
            using Scalar rate = (-update.LearningRate).ToScalar();
            update.Weights.add_(update.Gradient.sign(), rate);
        }
    }
}
