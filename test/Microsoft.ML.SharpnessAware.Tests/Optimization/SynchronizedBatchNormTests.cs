using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests.Optimization;

/// <summary>Batch norm over the images of several processes (threads here), against that of one process with all of them.</summary>
[TestClass]
public sealed class SynchronizedBatchNormTests
{
    private const int Steps = 20;

    private static readonly Dictionary<string, SharpnessAwareMethod> Methods = new()
    {
        ["standard"] = SharpnessAwareMethod.Standard,
        ["SAM"] = SharpnessAwareMethod.Sam(),
        ["SSAM"] = SharpnessAwareMethod.Ssam(),
        ["CSAM"] = SharpnessAwareMethod.Csam(),
        ["ASAM"] = SharpnessAwareMethod.Asam(),
        ["every third"] = SharpnessAwareMethod.Csam() with { Period = 3 },
    };

    public static IEnumerable<object[]> MethodNames => Methods.Keys.Select(name => new object[] { name });

    [TestMethod]
    [DynamicData(nameof(MethodNames))]
    public void StepsAreThoseOfOneProcess(string method)
    {
        int[][] all = method == "CSAM" ? [[4, 4], [1, 2, 5], [1, 1, 1, 1, 1, 1, 1, 1]] : [[1, 7]];
        foreach (int[] parts in all)
        {
            (double[] values, double[] losses) = Train(Methods[method], null, [8], isDouble: true);
            (double[] Values, double[] Losses)[] together = ThreadProcessGroup.Run(
                parts.Length, group => Train(Methods[method], group, parts, isDouble: true));

            foreach ((double[] each, double[] ofEach) in together)
            {
                CollectionAssert.AreEqual(together[0].Values, each, "the processes differ");
                CollectionAssert.AreEqual(together[0].Losses, ofEach);
            }
            Assert.IsLessThan(1e-12, TestNets.Distance(values, together[0].Values), string.Join(' ', parts));
            Assert.IsLessThan(1e-12, TestNets.Distance(losses, together[0].Losses), string.Join(' ', parts));
        }
    }

    [TestMethod]
    public void InFloatsTheyAreAsWellAndWithoutItTheyAreNot()
    {
        (double[] values, _) = Train(Methods["CSAM"], null, [8], isDouble: false, steps: 5);
        double Of(bool synchronize) => TestNets.Distance(values, ThreadProcessGroup.Run(
            2, group => Train(Methods["CSAM"], group, [3, 5], isDouble: false, synchronize, steps: 5))[1].Values);

        Assert.IsLessThan(1e-5, Of(true));
        Assert.IsGreaterThan(1e-2, Of(false));
    }

    [TestMethod]
    public void TheFirstStepsGradientIsThatOfOneProcessForEachParameter()
    {
        // A step of 1 without momentum or decay shows the gradient itself.
        var plain = new BaseOptimizer.Sgd(1, Momentum: 0, WeightDecay: 0);
        (double[] values, _) = Train(SharpnessAwareMethod.Standard, null, [8], isDouble: true, baseOptimizer: plain, steps: 1);
        double[] together = ThreadProcessGroup.Run(
            3, group => Train(SharpnessAwareMethod.Standard, group, [1, 3, 4], isDouble: true, baseOptimizer: plain, steps: 1))[0].Values;

        for (int i = 0; i < values.Length; i++)
            Assert.AreEqual(values[i], together[i], 1e-13 * Math.Max(1, Math.Abs(values[i])), $"value {i}");
    }

    [TestMethod]
    public void MicroBatchesOfBothMakeTheirBatchesTogether()
    {
        // Of 8 images the first process has 1 and 2, the second 3 and 2: batch norm sees 1 + 3 and 2 + 2.
        double[] reference = Parts([[0, 3, 4, 5], [1, 2, 6, 7]], null);
        double[][] together = ThreadProcessGroup.Run(
            2, group => Parts(group.Rank == 0 ? [[0], [1, 2]] : [[3, 4, 5], [6, 7]], group));

        CollectionAssert.AreEqual(together[0], together[1]);
        Assert.IsLessThan(1e-12, TestNets.Distance(reference, together[0]));

        static double[] Parts(long[][] parts, ProcessGroup? group)
        {
            using DisposeScope scope = NewDisposeScope();
            Module<Tensor, Tensor> net = Net(isDouble: true);
            using SharpnessAwareOptimizer optimizer =
                Optimizer(net, Methods["SSAM"], group, new BaseOptimizer.Sgd(0.05), synchronize: true);
            for (int t = 0; t < 10; t++)
            {
                (Tensor images, Tensor labels) = TestNets.ReferenceBatch(t);
                optimizer.Step(parts.Select(part =>
                {
                    Tensor rows = tensor(part);
                    return new MicroBatch(() => net.call(images.index_select(0, rows)), labels.index_select(0, rows));
                }));
            }
            return TestNets.Values(net);
        }
    }

    [TestMethod]
    public void WhatFailsInOneWhileOthersAreInABackwardPassEndsThem()
    {
        string[] errors = ThreadProcessGroup.Run(2, group =>
        {
            using DisposeScope scope = NewDisposeScope();
            Module<Tensor, Tensor> net = Net(isDouble: true);
            double[] before = TestNets.Values(net);
            using SharpnessAwareOptimizer optimizer = Optimizer(net, Methods["SAM"], group, new BaseOptimizer.Sgd(0.05), synchronize: true);
            (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
            Exception error = Assert.Throws<Exception>(() => optimizer.Step(
                () =>
                {
                    Tensor logits = net.call(images);
                    return group.Rank == 1 ? throw new IOException("the disk is full") : logits;
                },
                labels));
            if (group.Rank == 1)
                group.Fail(error);
            CollectionAssert.AreEqual(before, TestNets.Values(net));
            return error.Message;
        });

        StringAssert.Contains(errors[0], "Process 1 of 2");
        StringAssert.Contains(errors[0], "the disk is full");
    }

    [TestMethod]
    public void NothingIsLeftBehindAndTheNetworkIsAsBefore()
    {
        long GrowthOf(bool synchronize)
        {
            long[] left = new long[3];
            for (int round = 0; round < left.Length; round++)
            {
                ThreadProcessGroup.Run(2, group => Train(Methods["SAM"], group, [3, 5], isDouble: true, synchronize, steps: 10));
                for (int i = 0; i < 2; i++)
                {
                    GC.Collect();
                    GC.WaitForPendingFinalizers();
                }
                left[round] = Tensor.TotalCount;
            }
            return left[2] - left[1];
        }
        Assert.AreEqual(GrowthOf(false), GrowthOf(true));

        Module<Tensor, Tensor> net = Net(isDouble: true);
        (Tensor images, _) = TestNets.ReferenceBatch(0);
        ThreadProcessGroup.Run(1, group =>
        {
            using (Optimizer(net, Methods["SAM"], group, new BaseOptimizer.Sgd(0.05), synchronize: true))
                return 0;
        });
        net.train();
        using Tensor output = net.call(images);
        Assert.IsTrue(output.isfinite().all().item<bool>());
    }

    [TestMethod]
    public void ItNeedsAClimbOfTheWholeBatch()
    {
        foreach ((SharpnessAwareMethod method, bool shared, Ascent ascent, string advice) in new[]
        {
            (Methods["SAM"], false, Ascent.WholeBatch, ": set SharedAscent, or do without"),
            (Methods["SAM"] with { AscentShare = 0.5 }, true, Ascent.WholeBatch, ": leave AscentShare 1, or do without"),
            (Methods["SAM"], true, Ascent.PerMicroBatch, ": take Ascent.WholeBatch, or do without"),
            (Methods["SAM"], false, Ascent.PerMicroBatch, ": set SharedAscent and take Ascent.WholeBatch, or do without"),
        })
        {
            ThreadProcessGroup.Run(2, group =>
            {
                using DisposeScope scope = NewDisposeScope();
                Module<Tensor, Tensor> net = Net(isDouble: true);
                using var optimizer = new SharpnessAwareOptimizer(net, method, new BaseOptimizer.Sgd(0.05))
                {
                    ProcessGroup = group,
                    SharedAscent = shared,
                    SynchronizeBatchNorm = true,
                };
                (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
                StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
                    () => optimizer.Step([new MicroBatch(() => net.call(images), labels)], ascent)).Message, advice);
                return 0;
            });
        }
    }

    [TestMethod]
    public void StatisticsThatSomebodyChangedInOneProcessAreThoseOfTheFirstAgain()
    {
        double[][] alike = Together(disturb: false), disturbed = Together(disturb: true);
        CollectionAssert.AreEqual(alike[0], disturbed[0]);
        CollectionAssert.AreEqual(alike[0], disturbed[1]);

        static double[][] Together(bool disturb) => ThreadProcessGroup.Run(2, group =>
        {
            using DisposeScope scope = NewDisposeScope();
            Module<Tensor, Tensor> net = Net(isDouble: true);
            using SharpnessAwareOptimizer optimizer = Optimizer(net, Methods["SAM"], group, new BaseOptimizer.Sgd(0.1), synchronize: true);
            for (int t = 0; t < 3; t++)
            {
                (Tensor images, Tensor labels) = TestNets.ReferenceBatch(t);
                optimizer.Step(net.call, images.narrow(0, 4 * group.Rank, 4), labels.narrow(0, 4 * group.Rank, 4));
                if (disturb && group.Rank == 1 && t < 2)
                    net.modules().OfType<TorchSharp.Modules.BatchNorm2d>().First().running_mean!.add_(1);
            }
            return TestNets.Values(net);
        });
    }

    [TestMethod]
    public void ALayerThatIsRunByForwardIsAnErrorThatNamesItAndChangesNothing()
    {
        ThreadProcessGroup.Run(2, group =>
        {
            using DisposeScope scope = NewDisposeScope();
            Module<Tensor, Tensor> net = Sequential(("flatten", Flatten()), ("block", new Block()), ("fc", Linear(36, 3)));
            net.to(ScalarType.Float64);
            double[] before = TestNets.Values(net);
            using SharpnessAwareOptimizer optimizer =
                Optimizer(net, Methods["SAM"], group, new BaseOptimizer.Sgd(0.1), synchronize: true);
            (Tensor images, Tensor labels) = TestNets.ReferenceBatch(group.Rank);
            string message = Assert.ThrowsExactly<InvalidOperationException>(() => optimizer.Step(net.call, images, labels)).Message;
            StringAssert.Contains(message, "'block._forward', 'block._both'");
            StringAssert.Contains(message, "call()");
            Assert.DoesNotContain("_frozen", message);
            Assert.DoesNotContain("_call", message);
            if (group.Rank == 0)
                CollectionAssert.AreEqual(before, TestNets.Values(net));
            return 0;
        });
    }

    /// <summary>Such a layer counts by numbers of its type.</summary>
    [TestMethod]
    [DataRow(0.1)]
    [DataRow(null)]
    public void ALayerThatIsMadeWithATypeIsSynchronised(double? momentum)
    {
        double[][] variances = ThreadProcessGroup.Run(2, group =>
        {
            using DisposeScope scope = NewDisposeScope();
            using var norm = BatchNorm1d(36, dtype: ScalarType.Float64);
            norm.momentum = momentum;
            Module<Tensor, Tensor> net = Sequential(
                ("flatten", Flatten()), ("norm", norm), ("fc", Linear(36, 3, dtype: ScalarType.Float64)));
            using SharpnessAwareOptimizer optimizer =
                Optimizer(net, Methods["SAM"], group, new BaseOptimizer.Sgd(0.1), synchronize: true);
            (Tensor images, Tensor labels) = TestNets.ReferenceBatch(group.Rank);
            optimizer.Step(net.call, images, labels);
            return norm.running_var!.data<double>().ToArray();
        });
        CollectionAssert.AreEqual(variances[0], variances[1]);
    }

    [TestMethod]
    public void ALayerOfOnesOwnComputesWhatItIsWrittenToCompute()
    {
        double alone = Loss(null);
        Assert.AreEqual(alone, ThreadProcessGroup.Run(2, Loss)[1], 1e-12);      // both with the same images

        static double Loss(ProcessGroup? group)
        {
            using DisposeScope scope = NewDisposeScope();
            Module<Tensor, Tensor> net = Sequential(("flatten", Flatten()), ("norm", new Halved(36)), ("fc", Linear(36, 3)));
            net.to(ScalarType.Float64);
            using (no_grad())
                net.parameters().Skip(2).First().copy_(arange(3 * 36, dtype: ScalarType.Float64).sin().view(3, 36));
            using (no_grad())
                net.parameters().Last().zero_();
            using SharpnessAwareOptimizer optimizer = Optimizer(net, Methods["SAM"], group, new BaseOptimizer.Sgd(0.1), synchronize: true);
            (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
            return optimizer.Step(net.call, images, labels);
        }
    }

    private sealed class Block : Module<Tensor, Tensor>
    {
        private readonly TorchSharp.Modules.BatchNorm1d _call = BatchNorm1d(36), _forward = BatchNorm1d(36), _both = BatchNorm1d(36),
            _frozen = BatchNorm1d(36);

        public Block()
            : base(nameof(Block))
        {
            RegisterComponents();
            _frozen.eval();
        }

        public override Tensor forward(Tensor input) =>
            _frozen.forward(_both.call(_both.forward(_forward.forward(_call.call(input)))));
    }

    private sealed class Halved(long channels)
        : TorchSharp.Modules.BatchNorm(channels, 1e-5, 0.1, true, true, null, null, nameof(Halved))
    {
        public override Tensor forward(Tensor input) => base.forward(input) * 0.5;

        protected override void ValidateInputDimensions(Tensor input)
        {
        }
    }

    /// <summary>The net after some steps, and the loss of each.</summary>
    private static (double[] Values, double[] Losses) Train(SharpnessAwareMethod method, ProcessGroup? group, int[] parts, bool isDouble,
        bool synchronize = true, BaseOptimizer? baseOptimizer = null, int steps = Steps)
    {
        using DisposeScope scope = NewDisposeScope();
        using Module<Tensor, Tensor> net = Net(isDouble);
        using SharpnessAwareOptimizer optimizer =
            Optimizer(net, method, group, baseOptimizer ?? new BaseOptimizer.Sgd(0.05), synchronize);
        int rank = group?.Rank ?? 0;
        double[] losses = new double[steps];
        for (int t = 0; t < steps; t++)
        {
            using DisposeScope step = NewDisposeScope();
            (Tensor images, Tensor labels) = TestNets.ReferenceBatch(t);
            images = images.narrow(0, parts.Take(rank).Sum(), parts[rank]).to(isDouble ? ScalarType.Float64 : ScalarType.Float32);
            losses[t] = optimizer.Step(net.call, images, labels.narrow(0, parts.Take(rank).Sum(), parts[rank]));
        }
        return (TestNets.Values(net), losses);
    }

    private static SharpnessAwareOptimizer Optimizer(
        Module<Tensor, Tensor> net, SharpnessAwareMethod method, ProcessGroup? group, BaseOptimizer baseOptimizer, bool synchronize) =>
        new(net, method, baseOptimizer)
        {
            ProcessGroup = group,
            SharedAscent = true,
            SynchronizeBatchNorm = synchronize,
            MaxGradientNorm = 0.5,
        };

    /// <summary>Batch norm of maps and, at the end, of single numbers; one layer with a momentum of its own, one without scale.</summary>
    private static Module<Tensor, Tensor> Net(bool isDouble)
    {
        Module<Tensor, Tensor> net = Sequential(
            ("conv", Conv2d(1, 4, 3, padding: 1)), ("bn1", BatchNorm2d(4)), ("relu", ReLU()), ("conv2", Conv2d(4, 3, 3)),
            ("bn2", BatchNorm2d(3, momentum: 0.3)), ("pool", AvgPool2d(2)), ("flatten", Flatten()), ("fc", Linear(12, 5)),
            ("bn3", BatchNorm1d(5, affine: false)), ("last", Linear(5, 3)));
        net.to(ScalarType.Float64);
        using DisposeScope scope = NewDisposeScope();
        using var noGradient = no_grad();
        int k = 0;
        foreach (Tensor parameter in net.parameters())
            parameter.copy_(((arange(parameter.numel(), dtype: ScalarType.Float64) * (0.37 + 0.11 * k)) + 0.5 + k++).sin().mul(0.4)
                .view(parameter.shape));
        return isDouble ? net : net.to(ScalarType.Float32);
    }
}
