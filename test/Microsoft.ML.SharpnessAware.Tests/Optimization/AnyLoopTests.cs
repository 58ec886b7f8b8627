using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Losses of one's own, labels of pixels and probabilities, micro-batches, TorchSharp's optimisers, shares and periods.</summary>
[TestClass]
public sealed class AnyLoopTests
{
    private static readonly BaseOptimizer Sgd = new BaseOptimizer.Sgd(0.1);

    private static readonly SharpnessAwareMethod[] Methods =
    [
        SharpnessAwareMethod.Standard, SharpnessAwareMethod.Sam(0.3), SharpnessAwareMethod.Ssam(0.3), SharpnessAwareMethod.Asam(0.3),
        SharpnessAwareMethod.Csam(0.3), SharpnessAwareMethod.Csam(0.3, 2) with { Renormalize = true, Adaptive = true },
    ];

    private readonly DisposeScope _scope = NewDisposeScope();

    [TestCleanup]
    public void Cleanup() => _scope.Dispose();

    [TestMethod]
    public void ALossOfOnesOwnTrainsAsTheSameLossOnLabels()
    {
        foreach (SharpnessAwareMethod method in Methods.Where(method => method.Gamma == 0))
        {
            CollectionAssert.AreEqual(
                TestNets.Train(method, Sgd, batchNorm: true),
                Train(method, (optimizer, net, x, y) => optimizer.Step(() => functional.cross_entropy(net.call(x), y)), batchNorm: true));
        }
    }

    [TestMethod]
    public void ALossThatCannotBeTrainedOnIsRefusedAndChangesNothing()
    {
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        (Tensor x, _) = TestNets.ReferenceBatch(0);
        double[] before = TestNets.Values(net);
        void Rejects<T>(Func<Tensor> loss, string message) where T : Exception
        {
            StringAssert.Contains(Assert.ThrowsExactly<T>(() => optimizer.Step(loss)).Message, message);
            CollectionAssert.AreEqual(before, TestNets.Values(net));
        }
        Rejects<ArgumentException>(() => net.call(x),
            "must be one floating-point number, the mean over the mini-batch, but is Float64 [8, 3]");
        Rejects<ArgumentException>(() => null!, "but is null");
        Rejects<InvalidOperationException>(() => net.call(x).mean().detach(), "does not depend on the module's trainable parameters");
        Rejects<InvalidOperationException>(() => ones(1, requires_grad: true).sum(), "does not depend on any of the module's trainable");
        Rejects<TrainingDivergedException>(() => net.call(x).sum() * double.NaN, "diverged");
        using var damped = new SharpnessAwareOptimizer(Linear(2, 2), SharpnessAwareMethod.Csam(), Sgd);
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(() => damped.Step(() => ones(1, requires_grad: true).sum())).Message,
            "CSAM's damping");
    }

    [TestMethod]
    public void PixelsWithLabelsAreSamples()
    {
        foreach (SharpnessAwareMethod method in Methods)
        {
            Assert.IsTrue(Same(pixels: true).Zip(Same(pixels: false)).All(p => Math.Abs(p.First - p.Second) < 1e-12), $"{method}");

            double[] Same(bool pixels)
            {
                manual_seed(3);
                Module<Tensor, Tensor> net = Conv2d(2, 3, 1).to(float64);
                using var optimizer = new SharpnessAwareOptimizer(net, method, Sgd);
                Tensor x = randn(4, 2, 5, 6, dtype: float64), y = randint(3, [4, 5, 6]);
                for (int t = 0; t < 4; t++)
                {
                    double loss = pixels
                        ? optimizer.Step(() => net.call(x), y)
                        : optimizer.Step(() => net.call(x).permute(0, 2, 3, 1).reshape(-1, 3), y.reshape(-1));
                    if (t == 0)
                        Assert.AreEqual(functional.cross_entropy(Conv(x), y).item<double>(), loss, 1e-12);
                }
                return TestNets.Values(net);

                Tensor Conv(Tensor input)
                {
                    manual_seed(3);
                    return Conv2d(2, 3, 1).to(float64).call(input);
                }
            }
        }
        Module<Tensor, Tensor> wrong = Conv2d(2, 3, 1);
        using var refusing = new SharpnessAwareOptimizer(wrong, SharpnessAwareMethod.Sam(), Sgd);
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => refusing.Step(() => wrong.call(ones(2, 2, 4, 4)), zeros(2, int64))).Message,
            "an int64 tensor of shape [2, 4, 4]");
    }

    [TestMethod]
    public void ProbabilitiesOfOneAreLabels()
    {
        foreach (ClassificationLoss loss in new ClassificationLoss[]
            { new ClassificationLoss.CrossEntropy(), new ClassificationLoss.CrossEntropy(0.1), new ClassificationLoss.Focal(1.5),
                new Plain() })
        {
            foreach (SharpnessAwareMethod method in Methods)
            {
                double[] hard = Train(method, (o, net, x, y) => o.Step(() => net.call(x), y), loss: loss);
                double[] soft = Train(method, (o, net, x, y) => o.Step(() => net.call(x), functional.one_hot(y, 3).to(float64)),
                    loss: loss);
                Assert.IsTrue(hard.Zip(soft).All(p => Math.Abs(p.First - p.Second) < 1e-12), $"{method}, {loss}");

                // As mixed samples, whose labels are two.
                Tensor share = full(8, 0.3, float64);
                double[] mixed = Train(method, (o, net, x, y) => o.Step(() => net.call(x), y, y.roll(1, 0), share), loss: loss);
                soft = Train(method, (o, net, x, y) => o.Step(() => net.call(x),
                    (functional.one_hot(y, 3) * 0.3) + (functional.one_hot(y.roll(1, 0), 3) * 0.7)), loss: loss);
                Assert.IsTrue(mixed.Zip(soft).All(p => Math.Abs(p.First - p.Second) < 1e-6), $"{method}, {loss}: mixed");
            }
        }
        Module<Tensor, Tensor> wrong = Linear(2, 3);
        using var refusing = new SharpnessAwareOptimizer(wrong, SharpnessAwareMethod.Sam(), Sgd);
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => refusing.Step(() => wrong.call(ones(2, 2)), ones(2, 3))).Message, "sum to 1");
    }

    [TestMethod]
    public void MicroBatchesAreOneLargeBatch()
    {
        foreach (SharpnessAwareMethod method in Methods)
        {
            double[] whole = TestNets.Train(method, Sgd), one = Train(method, (o, net, x, y) => o.Step([new(() => net.call(x), y)]));
            CollectionAssert.AreEqual(whole, one, $"{method}");
            double[] parts = Train(method, (o, net, x, y) => o.Step(Parts(net, x, y, 3, 4, 1)));
            Assert.IsTrue(whole.Zip(parts).All(p => Math.Abs(p.First - p.Second) < 1e-12), $"{method}");
        }
        double[] own = Train(SharpnessAwareMethod.Sam(0.3), (o, net, x, y) => o.Step(
            new[] { (0, 3), (3, 5) }.Select(part => new MicroBatch(
                () => functional.cross_entropy(net.call(x.narrow(0, part.Item1, part.Item2)), y.narrow(0, part.Item1, part.Item2)),
                    part.Item2))));
        Assert.IsTrue(TestNets.Train(SharpnessAwareMethod.Sam(0.3), Sgd).Zip(own).All(p => Math.Abs(p.First - p.Second) < 1e-12));
    }

    [TestMethod]
    public void AOneShotSourceOfMicroBatchesIsEnough()
    {
        double[] parts = Train(SharpnessAwareMethod.Sam(0.3), (o, net, x, y) =>
        {
            var queue = new Queue<MicroBatch>(Parts(net, x, y, 3, 5));
            return o.Step(Drain());

            IEnumerable<MicroBatch> Drain()
            {
                while (queue.TryDequeue(out MicroBatch? part))
                    yield return part;
            }
        });
        Assert.IsTrue(TestNets.Train(SharpnessAwareMethod.Sam(0.3), Sgd).Zip(parts).All(p => Math.Abs(p.First - p.Second) < 1e-12));
    }

    /// <summary>m-sharpness, written down a second time: the mean of the gradients at the climbs of the parts.</summary>
    [TestMethod]
    public void EachMicroBatchMayClimbByItself()
    {
        SharpnessAwareMethod method = SharpnessAwareMethod.Sam(0.3);
        double[] actual = Train(method, (o, net, x, y) => o.Step(Parts(net, x, y, 2, 6), Ascent.PerMicroBatch), steps: 1);
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
        (Tensor x, Tensor y) = TestNets.ReferenceBatch(0);
        Tensor[] parameters = [.. net.parameters()], w = [.. parameters.Select(p => p.detach().clone())];
        Tensor[] mean = [.. parameters.Select(p => zeros_like(p))];
        foreach ((int start, int count) in new[] { (0, 2), (2, 6) })
        {
            Tensor[] g = Gradients();
            double norm = Math.Sqrt(g.Sum(one => one.square().sum().item<double>()));
            using var noGradient = no_grad();
            for (int k = 0; k < g.Length; k++)
                parameters[k].add_(g[k] * (0.3 / (norm + 1e-12)));
            using (enable_grad())
                g = Gradients();
            for (int k = 0; k < g.Length; k++)
            {
                mean[k].add_(g[k] * (count / 8.0));
                parameters[k].copy_(w[k]);
            }

            Tensor[] Gradients() => [.. autograd.grad(
                [functional.cross_entropy(net.call(x.narrow(0, start, count)), y.narrow(0, start, count))], parameters)];
        }
        double[] expected = [.. parameters.Zip(
            mean).SelectMany(p => (p.First.detach() - (0.1 * (p.Second + (p.First.detach() * (p.First.dim() > 1 ? 5e-4 : 0)))))
            .reshape(-1).data<double>().ToArray())];
        Assert.IsTrue(expected.Zip(actual).All(p => Math.Abs(p.First - p.Second) < 1e-12));

        // Running statistics and the number of passes are those of the unperturbed parts.
        Module<Tensor, Tensor> withNorm = TestNets.ReferenceNet(batchNorm: true), twin = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(withNorm, method, Sgd);
        optimizer.Step(Parts(withNorm, x, y, 2, 6), Ascent.PerMicroBatch);
        twin.call(x.narrow(0, 0, 2));
        twin.call(x.narrow(0, 2, 6));
        foreach (string name in new[] { "bn.running_mean", "bn.running_var", "bn.num_batches_tracked" })
            Assert.IsTrue(TestNets.Same(withNorm.state_dict()[name], twin.state_dict()[name]), name);
    }

    [TestMethod]
    public void MicroBatchesThatCannotBeTrainedOnAreRefused()
    {
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), Sgd);
        (Tensor x, Tensor y) = TestNets.ReferenceBatch(0);
        double[] before = TestNets.Values(net);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => optimizer.Step([])).Message, "there are none");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => optimizer.Step([null!])).Message, "one of them is null");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
            () => optimizer.Step([new(() => net.call(x), y), new(() => net.call(x), y.to(META))])).Message, "The labels are on meta");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new MicroBatch(() => net.call(x).sum(), weight: 0));
        Assert.ThrowsExactly<ArgumentNullException>(() => new MicroBatch(null!, y));
        CollectionAssert.AreEqual(before, TestNets.Values(net));
    }

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

    [TestMethod]
    public void ARuleOfOnesOwnTrains()
    {
        double[] actual = Train(SharpnessAwareMethod.Sam(0.3), (o, net, x, y) => o.Step(() => net.call(x), y), settings: new SignSgd(0.01));
        double[] lion = Train(SharpnessAwareMethod.Sam(0.3), (o, net, x, y) => o.Step(() => net.call(x), y),
            settings: new BaseOptimizer.Lion(0.01, Beta1: 0, Beta2: 0, WeightDecay: 0));
        CollectionAssert.AreEqual(lion, actual);
    }

    [TestMethod]
    public void AShareOrAPeriodOfOneIsTheFullMethodBitForBit()
    {
        foreach (SharpnessAwareMethod method in Methods)
        {
            double[] expected = TestNets.Train(method, Sgd, batchNorm: true);
            SharpnessAwareMethod same = method with { AscentShare = 1, Period = 1, LatePhase = 1 };
            CollectionAssert.AreEqual(expected, TestNets.Train(same, Sgd, batchNorm: true));
            CollectionAssert.AreEqual(expected, Train(same, (o, net, x, y) => o.Step(net.call, x, y), batchNorm: true));
            SharpnessAwareMethod never = method with { Period = int.MaxValue };
            double[] standard = TestNets.Train(SharpnessAwareMethod.Standard, Sgd, batchNorm: true);
            CollectionAssert.AreEqual(standard, TestNets.Train(never, Sgd, batchNorm: true));
            CollectionAssert.AreEqual(standard, TestNets.Train(method, Sgd, batchNorm: true, configure: o => o.Climbs = false));
        }
    }

    [TestMethod]
    public void EveryKthStepClimbsByRhoTimesK()
    {
        foreach (SharpnessAwareMethod method in Methods.Where(method => method.Rho > 0))
        {
            Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
            using var optimizer = new SharpnessAwareOptimizer(net, method with { Rho = 3 * method.Rho }, Sgd);
            for (int t = 0; t < 7; t++)
            {
                (Tensor x, Tensor y) = TestNets.ReferenceBatch(t);
                optimizer.Climbs = (t + 1) % 3 == 0;
                optimizer.Step(() => net.call(x), y);
            }
            CollectionAssert.AreEqual(TestNets.Values(net), TestNets.Train(method with { Period = 3 }, Sgd, steps: 7), $"{method}");
        }
    }

    [TestMethod]
    public void TheClimbsGradientMayBeThatOfAShare()
    {
        SharpnessAwareMethod method = SharpnessAwareMethod.Sam(0.3) with { AscentShare = 0.25 };
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true), twin = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(net, method, new BaseOptimizer.Sgd(0.1, 0, 0)) { Seed = 5 };
        (Tensor x, Tensor y) = TestNets.ReferenceBatch(0);
        List<Tensor> seen = [];
        optimizer.Step(input =>
        {
            seen.Add(input.clone().DetachFromDisposeScope());
            return net.call(input);
        }, x, y);

        // Statistics of the whole batch at w, then two images, then the whole batch at w̃.
        CollectionAssert.AreEqual(new long[] { 8, 2, 8 }, seen.Select(input => input.shape[0]).ToArray());
        Assert.HasCount(2, Rows().Distinct().ToArray());
        Tensor rows = tensor(Rows());
        Tensor[] parameters = [.. twin.parameters()], w = [.. parameters.Select(p => p.detach().clone())];
        twin.call(x);
        foreach (string name in new[] { "bn.running_mean", "bn.running_var", "bn.num_batches_tracked" })
            Assert.IsTrue(TestNets.Same(net.state_dict()[name], twin.state_dict()[name]), name);
        Tensor[] g = Gradients(x.index_select(0, rows), y.index_select(0, rows));
        double norm = Math.Sqrt(g.Sum(one => one.square().sum().item<double>()));
        using (no_grad())
        {
            for (int k = 0; k < g.Length; k++)
                parameters[k].add_(g[k] * (0.3 / (norm + 1e-12)));
        }
        g = Gradients(x, y);
        Tensor[] trained = [.. net.parameters()];
        for (int k = 0; k < g.Length; k++)
            Assert.IsTrue((w[k] - (g[k] * 0.1)).allclose(trained[k], 0, 1e-12));

        // Without layers that have statistics two passes are enough; other steps draw others; the same seed draws the same.
        Module<Tensor, Tensor> plain = TestNets.ReferenceNet(batchNorm: false);
        using var second = new SharpnessAwareOptimizer(plain, method, Sgd) { Seed = 5 };
        seen.Clear();
        for (int t = 0; t < 20; t++)
        {
            second.Step(input =>
            {
                seen.Add(input.clone().DetachFromDisposeScope());
                return plain.call(input);
            }, x, y);
        }
        Assert.HasCount(40, seen);
        CollectionAssert.AreEqual(rows.data<long>().ToArray(), Rows());
        Assert.IsGreaterThan(5, seen.Where(input => input.shape[0] == 2).Select(input => input.sum().item<double>()).Distinct().Count());
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(() => second.Step(() => plain.call(x), y)).Message, "AscentShare");

        long[] Rows() => [.. Enumerable.Range(0, 8).Where(i => seen.First(input => input.shape[0] == 2)
            .sub(x[i]).abs().sum([1, 2, 3]).eq(0).any().item<bool>()).Select(i => (long)i)];

        Tensor[] Gradients(Tensor images, Tensor labels) =>
            [.. autograd.grad([functional.cross_entropy(twin.call(images), labels)], parameters)];
    }

    [TestMethod]
    public void AShareHasAtLeastOneSampleAndMayBeOfMicroBatches()
    {
        SharpnessAwareMethod method = SharpnessAwareMethod.Csam(0.3) with { AscentShare = 0.01 };
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
        using var optimizer = new SharpnessAwareOptimizer(net, method, Sgd);
        (Tensor x, Tensor y) = TestNets.ReferenceBatch(0);
        List<long> counts = [];
        optimizer.Step(input =>
        {
            counts.Add(input.shape[0]);
            return net.call(input);
        }, x, y, y.roll(1, 0), full(8, 0.4, float64));
        CollectionAssert.AreEqual(new long[] { 1, 8 }, counts);

        int passes = 0;
        optimizer.Step(new[] { 0, 1, 2, 3 }.Select(i => new MicroBatch(
            () =>
            {
                passes++;
                return net.call(x.narrow(0, 2 * i, 2));
            }, y.narrow(0, 2 * i, 2))));
        Assert.AreEqual(5, passes);
    }

    [TestMethod]
    public void SharesPeriodsAndPhasesOutOfRangeAreRefusedAndOthersShown()
    {
        void Rejects(string name, Func<object> make) =>
            Assert.AreEqual(name, Assert.ThrowsExactly<ArgumentOutOfRangeException>(make).ParamName);
        foreach (double wrong in new[] { 0, -0.1, 1.1, double.NaN })
            Rejects("AscentShare", () => SharpnessAwareMethod.Standard with { AscentShare = wrong });
        Rejects("LatePhase", () => SharpnessAwareMethod.Standard with { LatePhase = 1.5 });
        Rejects("Period", () => SharpnessAwareMethod.Standard with { Period = 0 });
        Assert.AreEqual(
            "CSAM (ρ = 0.05, γ = 1, late phase 0.25, ascent share 0.5, period 5)",
            $"{SharpnessAwareMethod.Csam() with { LatePhase = 0.25, AscentShare = 0.5, Period = 5 }}");
        Assert.AreEqual(1, SharpnessAwareMethod.Sam().LatePhase);
    }

    private static IEnumerable<MicroBatch> Parts(Module<Tensor, Tensor> net, Tensor x, Tensor y, params int[] sizes)
    {
        int start = 0;
        foreach (int size in sizes)
        {
            int from = start;
            yield return new MicroBatch(() => net.call(x.narrow(0, from, size)), y.narrow(0, from, size));
            start += size;
        }
    }

    private static double[] Train(
        SharpnessAwareMethod method, Func<SharpnessAwareOptimizer, Module<Tensor, Tensor>, Tensor, Tensor, double> step, bool batchNorm =
            false,
        ClassificationLoss? loss = null, BaseOptimizer? settings = null, int steps = 5)
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm);
        using var optimizer = new SharpnessAwareOptimizer(net, method, settings ?? Sgd, loss);
        for (int t = 0; t < steps; t++)
        {
            (Tensor x, Tensor y) = TestNets.ReferenceBatch(t);
            step(optimizer, net, x, y);
        }
        return TestNets.Values(net);
    }

    private sealed record Plain : ClassificationLoss
    {
        public override Tensor PerSample(Tensor logits, Tensor labels) =>
            functional.cross_entropy(logits, labels, reduction: Reduction.None);
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
