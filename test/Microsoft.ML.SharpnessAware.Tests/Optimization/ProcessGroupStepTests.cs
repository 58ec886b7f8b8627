using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests.Optimization;

/// <summary>Steps of several processes (threads here), each with a part of the mini-batch, against those of one with all of it.</summary>
[TestClass]
public sealed class ProcessGroupStepTests
{
    private const int Steps = 50, BatchSize = 8;

    private static readonly Dictionary<string, SharpnessAwareMethod> Methods = new()
    {
        ["standard"] = SharpnessAwareMethod.Standard,
        ["SAM"] = SharpnessAwareMethod.Sam(),
        ["SSAM"] = SharpnessAwareMethod.Ssam(),
        ["CSAM"] = SharpnessAwareMethod.Csam(),
        ["CSSAM"] = SharpnessAwareMethod.Csam() with { Renormalize = true },
        ["ASAM"] = SharpnessAwareMethod.Asam(),
        ["USAM"] = SharpnessAwareMethod.Sam() with { NormalizeAscent = false },
        ["damping without a climb"] = SharpnessAwareMethod.Csam(rho: 0),
        ["every third"] = SharpnessAwareMethod.Csam() with { Period = 3 },
        ["half of the batch"] = SharpnessAwareMethod.Sam() with { AscentShare = 0.5 },
        ["one image of the batch"] = SharpnessAwareMethod.Ssam() with { AscentShare = 0.01 },
    };

    private static readonly BaseOptimizer[] BaseOptimizers = [new BaseOptimizer.Sgd(0.05), new BaseOptimizer.AdamW(0.002)];

    public static IEnumerable<object[]> MethodsAndSizes =>
        from method in Methods.Keys from size in new[] { 2, 4 } select new object[] { method, size };

    public static IEnumerable<object[]> MethodNames => Methods.Keys.Select(name => new object[] { name });

    [TestMethod]
    [DynamicData(nameof(MethodsAndSizes))]
    public void ASharedClimbIsThatOfOneProcessWithTheWholeBatch(string method, int size)
    {
        foreach (BaseOptimizer baseOptimizer in BaseOptimizers)
        {
            foreach (bool isDouble in new[] { true, false })
            {
                (double[] Weights, double Loss, double Norm) alone = Train(Methods[method], baseOptimizer, null, isDouble);
                (double[] Weights, double Loss, double Norm)[] together = ThreadProcessGroup.Run(
                    size, group => Train(Methods[method], baseOptimizer, group, isDouble, shared: true));

                foreach ((double[] weights, _, _) in together)
                    CollectionAssert.AreEqual(together[0].Weights, weights, "the processes differ");
                Assert.IsLessThan(isDouble ? 1e-12 : 1e-6, TestNets.Distance(alone.Weights, together[0].Weights), $"{baseOptimizer}");
                if (Methods[method].AscentShare == 1)
                    Assert.AreEqual(alone.Loss, together[0].Loss, (isDouble ? 1e-12 : 1e-5) * Math.Abs(alone.Loss));
                Assert.AreEqual(alone.Norm, together[0].Norm, (isDouble ? 1e-10 : 1e-3) * alone.Norm);
            }
        }
    }

    [TestMethod]
    [DynamicData(nameof(MethodNames))]
    public void ClimbsOfTheirOwnAreMSharpness(string method)
    {
        const int size = 3;     // parts of 2, 3 and 3 images
        SharpnessAwareMethod chosen = Methods[method] with { AscentShare = 1 };
        foreach (BaseOptimizer baseOptimizer in BaseOptimizers)
        {
            (double[] reference, double loss, double norm) = TrainInParts(chosen, baseOptimizer, size);
            (double[] Weights, double Loss, double Norm)[] together =
                ThreadProcessGroup.Run(size, group => Train(chosen, baseOptimizer, group, isDouble: true, shared: false));

            foreach ((double[] weights, _, _) in together)
                CollectionAssert.AreEqual(together[0].Weights, weights, "the processes differ");
            Assert.IsLessThan(1e-12, TestNets.Distance(reference, together[0].Weights), $"{baseOptimizer}");
            Assert.AreEqual(loss, together[0].Loss, 1e-12 * loss);
            if (!double.IsNaN(together[0].Norm))
                Assert.AreEqual(norm, together[0].Norm, 1e-10 * norm);
            Assert.AreEqual(chosen.Rho > 0 && !chosen.Renormalize && chosen.Period == 1, double.IsNaN(together[0].Norm));
        }
    }

    /// <summary>It does not tell of how many samples it is, as labels do.</summary>
    [TestMethod]
    public void ALossOfOnesOwnCountsByTheWeightOfItsMicroBatch()
    {
        double[] alone = Train(null);
        double[][] together = ThreadProcessGroup.Run(3, group => Train(group));     // parts of 2, 3 and 3 images
        Assert.IsLessThan(1e-12, TestNets.Distance(alone, together[0]));

        static double[] Train(ProcessGroup? group)
        {
            using DisposeScope scope = NewDisposeScope();
            Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
            using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), BaseOptimizers[0])
            {
                ProcessGroup = group, SharedAscent = true,
            };
            for (int t = 0; t < 5; t++)
            {
                (Tensor images, Tensor labels) = TestNets.ReferenceBatch(t);
                (int start, int count) = PartOf(group, BatchSize).GetOffsetAndLength(BatchSize);
                Tensor x = images.narrow(0, start, count), y = labels.narrow(0, start, count);
                optimizer.Step([new MicroBatch(() => functional.cross_entropy(net.call(x), y), weight: count)]);
            }
            return TestNets.Values(net);
        }
    }

    [TestMethod]
    public void StatisticsInEvaluationModeStayToTheLastBit()
    {
        double[][] together = ThreadProcessGroup.Run(3, group =>
        {
            using DisposeScope scope = NewDisposeScope();
            Module<Tensor, Tensor> frozen = BatchNorm1d(36), net =
                Sequential(("flatten", Flatten()), ("frozen", frozen), ("norm", BatchNorm1d(36)), ("fc", Linear(36, 3)));
            using (no_grad())
            {
                foreach (Tensor statistics in frozen.buffers().Where(buffer => buffer.is_floating_point()))
                    statistics.copy_(arange(36).sin().add(2));
            }
            double[] before = TestNets.Values(frozen)[72..];
            // As a mask has it, in a layer that trains.
            net.register_buffer("mask", tensor(new[] { 0, float.NegativeInfinity }));
            net.train();
            frozen.eval();
            using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), BaseOptimizers[0]) { ProcessGroup = group };
            for (int t = 0; t < 10; t++)
            {
                (Tensor images, Tensor labels) = TestNets.ReferenceBatch(t);
                (int start, int count) = group.Rank == 0 ? (0, 2) : (3 * group.Rank - 1, 3);
                optimizer.Step(net.call, images.narrow(0, start, count).to(ScalarType.Float32), labels.narrow(0, start, count));
            }
            CollectionAssert.AreEqual(before, TestNets.Values(frozen)[72..]);
            return TestNets.Values(net);
        });
        CollectionAssert.AreEqual(together[0], together[2]);
    }

    [TestMethod]
    public void StatisticsThatOnceDifferAreTheSameAfterTheNextStep()
    {
        double[][] together = ThreadProcessGroup.Run(3, group =>
        {
            using DisposeScope scope = NewDisposeScope();
            Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true);
            using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), BaseOptimizers[0]) { ProcessGroup = group };
            Step(net, optimizer, 0, PartOf(group, BatchSize), isDouble: true);
            if (group.Rank == 1)
                net.call(TestNets.ReferenceBatch(7).Images.mul(3)).Dispose();      // a look at it, in training mode
            Step(net, optimizer, 1, PartOf(group, BatchSize), isDouble: true);
            return Statistics(net);
        });
        CollectionAssert.AreEqual(together[0], together[1]);
        CollectionAssert.AreEqual(together[0], together[2]);

        static double[] Statistics(Module net) => [.. net.named_buffers().Where(entry => entry.buffer.is_floating_point())
            .SelectMany(entry => entry.buffer.data<double>().ToArray())];
    }

    [TestMethod]
    public void StatisticsOfAnAverageAreThoseOfAllAndWhatIsConstantStaysToTheLastBit()
    {
        double[][] together = ThreadProcessGroup.Run(3, group =>
        {
            using DisposeScope scope = NewDisposeScope();
            Module<Tensor, Tensor> frozen = BatchNorm1d(36), norm = BatchNorm1d(36), net =
                Sequential(("flatten", Flatten()), ("frozen", frozen), ("norm", norm), ("fc", Linear(36, 3)));
            using (no_grad())
            {
                foreach (Tensor statistics in frozen.buffers().Where(buffer => buffer.is_floating_point()))
                    statistics.copy_(arange(36).sin().add(2));
            }
            net.register_buffer("mask", tensor(new[] { 0.1f, float.NegativeInfinity }));
            net.register_buffer("scales", arange(5).sin().to(ScalarType.BFloat16));
            net.train();
            frozen.eval();
            double[] before = Constants();
            using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), BaseOptimizers[0]) { ProcessGroup = group };
            for (int t = 0; t < 3; t++)
            {
                Tensor images = TestNets.ReferenceBatch(3 * t + group.Rank).Images.narrow(0, 0, 2 + group.Rank).to(ScalarType.Float32);
                optimizer.ShareStatistics(2 + group.Rank, () => WeightAverage.UpdateStatistics(net, [() => net.call(images)]));
            }
            CollectionAssert.AreEqual(before, Constants());
            return TestNets.Values(norm)[72..];

            double[] Constants() => [.. TestNets.Values(frozen)[72..],
                .. new[] { "mask", "scales" }.SelectMany(name => net.get_buffer(name)!.to(ScalarType.Float64).data<double>().ToArray())];
        });
        CollectionAssert.AreEqual(together[0], together[1]);
        CollectionAssert.AreEqual(together[0], together[2]);
        // After the frozen layer, images of the last pass.
        Tensor[] sums = [.. Enumerable.Range(0, 3).Select(
            rank => TestNets.ReferenceBatch(6 + rank).Images.narrow(0, 0, 2 + rank).view(-1, 36).sum([0L]))];
        Tensor around = arange(36).sin().add(2).to(ScalarType.Float64);
        double[] expected = [.. (((stack(sums).sum([0L]) / 9) - around) / (around + 1e-5).sqrt()).data<double>()];
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], together[0][i], 1e-6);
    }

    [TestMethod]
    [DataRow(ScalarType.Float16)]
    [DataRow(ScalarType.BFloat16)]
    public void StatisticsInHalfPrecisionAreAveragedToo(ScalarType type)
    {
        double[][] together = ThreadProcessGroup.Run(2, group =>
        {
            using DisposeScope scope = NewDisposeScope();
            Module<Tensor, Tensor> net = Sequential(("flatten", Flatten()), ("seen", new Greatest(type)), ("fc", Linear(36, 3)));
            using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), BaseOptimizers[0]) { ProcessGroup = group };
            (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
            optimizer.Step(net.call, images.to(ScalarType.Float32).mul(group.Rank + 1), labels);
            return net.buffers().Single().to(ScalarType.Float64).data<double>().ToArray();
        });
        CollectionAssert.AreEqual(together[0], together[1]);
        Assert.AreEqual(1.5, together[0][0], 0.02);     // the mean of 1 and 2
    }

    /// <summary>Keeps the greatest value of the last mini-batch, as a quantised network does.</summary>
    private sealed class Greatest : Module<Tensor, Tensor>
    {
        private readonly Tensor _greatest;

        public Greatest(ScalarType type)
            : base(nameof(Greatest))
        {
            _greatest = zeros(7, type);
            register_buffer("greatest", _greatest);
        }

        public override Tensor forward(Tensor input)
        {
            using (no_grad())
                _greatest.copy_(input.max());
            return input.alias();
        }
    }

    [TestMethod]
    public void EachClimbOfItsOwnMayTakeAShareOfItsPart()
    {
        SharpnessAwareMethod method = SharpnessAwareMethod.Sam() with { AscentShare = 0.5 };
        (double[] Weights, double, double)[] together =
            ThreadProcessGroup.Run(3, group => Train(method, BaseOptimizers[0], group, isDouble: true, shared: false));

        CollectionAssert.AreEqual(together[0].Weights, together[2].Weights);
        Assert.IsGreaterThan(1e-6, TestNets.Distance(
            together[0].Weights, Train(method with { AscentShare = 1 }, BaseOptimizers[0], null, isDouble: true).Weights));
    }

    [TestMethod]
    public void MicroBatchesOfEachProcessMakeOneMiniBatch()
    {
        SharpnessAwareMethod method = SharpnessAwareMethod.Ssam();
        foreach (Ascent ascent in Enum.GetValues<Ascent>())
        {
            // Ranks have 2 and 6 of the 8 samples, the second in parts of 1 and 5.
            double[] reference = Parts([[0..2], [2..3], [3..8]], null, ascent);
            double[][] together = ThreadProcessGroup.Run(
                2, group => Parts(group.Rank == 0 ? [[0..2]] : [[2..3], [3..8]], group, ascent));

            CollectionAssert.AreEqual(together[0], together[1]);
            Assert.IsLessThan(1e-12, TestNets.Distance(reference, together[0]), $"{ascent}");
        }

        double[] Parts(Range[][] parts, ProcessGroup? group, Ascent ascent)
        {
            using DisposeScope scope = NewDisposeScope();
            Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
            using var optimizer = new SharpnessAwareOptimizer(net, method, BaseOptimizers[0])
            {
                ProcessGroup = group,
                SharedAscent = ascent == Ascent.WholeBatch,
            };
            for (int t = 0; t < 10; t++)
            {
                (Tensor images, Tensor labels) = TestNets.ReferenceBatch(t);
                optimizer.Step(parts.Select(part => new MicroBatch(
                    () => net.call(images[TensorIndex.Slice(part[0].Start.Value, part[0].End.Value)]),
                    labels[TensorIndex.Slice(part[0].Start.Value, part[0].End.Value)])), ascent);
            }
            return TestNets.Values(net);
        }
    }

    [TestMethod]
    [DataRow(2, 2)]
    [DataRow(4, 2)]
    public void AShareOfPartsIsOfThoseOfAllProcessesThoughEachHasOne(int first, int second)
    {
        SharpnessAwareMethod method = SharpnessAwareMethod.Ssam(0.3) with { AscentShare = 0.5 };
        foreach (bool shared in new[] { true, false })
        {
            double[] alone = Train(null, 0, first + second, shared);
            double[][] together = ThreadProcessGroup.Run(
                2, group => Train(group, group.Rank == 0 ? 0 : first, group.Rank == 0 ? first : second, shared));
            CollectionAssert.AreEqual(together[0], together[1]);
            if (shared)
                Assert.IsLessThan(1e-12, TestNets.Distance(alone, together[0]));
        }

        double[] Train(ProcessGroup? group, int start, int count, bool shared)
        {
            using DisposeScope scope = NewDisposeScope();
            Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
            using var optimizer = new SharpnessAwareOptimizer(net, method, BaseOptimizers[0])
            {
                ProcessGroup = group,
                SharedAscent = shared,
            };
            for (int t = 0; t < 10; t++)
            {
                (Tensor x, Tensor y) = TestNets.ReferenceBatch(t);
                optimizer.Step(Enumerable.Range(0, count / 2).Select(i => start + 2 * i).Select(
                    place => new MicroBatch(() => net.call(x.narrow(0, place, 2)), y.narrow(0, place, 2))));
            }
            return TestNets.Values(net);
        }
    }

    [TestMethod]
    public void RunningStatisticsAreAveragedByWhatEachHasOfTheBatch()
    {
        // Ranks have 2, 3 and 3 of the 8 images; a learning rate of 0 keeps the layers below alike.
        var still = new BaseOptimizer.Sgd(0, Momentum: 0, WeightDecay: 0);
        (double[] Weights, double, double)[] together = ThreadProcessGroup.Run(
            3, group => Train(SharpnessAwareMethod.Sam(), still, group, isDouble: true, batchNorm: true, steps: 1));
        double[][] alone = [.. new[] { 0..2, 2..5, 5..8 }.Select(part => TrainOn(part))];

        double[] mean = [.. Enumerable.Range(0, alone[0].Length).Select(i => (2 * alone[0][i] + 3 * alone[1][i] + 3 * alone[2][i]) / 8)];
        foreach ((double[] weights, _, _) in together)
        {
            CollectionAssert.AreEqual(together[0].Weights, weights);
            Assert.IsLessThan(1e-12, TestNets.Distance(mean, weights));
        }
        Assert.IsGreaterThan(1e-4, TestNets.Distance(alone[0], alone[1]));

        double[] TrainOn(Range part)
        {
            using DisposeScope scope = NewDisposeScope();
            Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true);
            using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), still);
            Step(net, optimizer, 0, part, isDouble: true);
            return TestNets.Values(net);
        }
    }

    [TestMethod]
    public void AParameterWithAGradientInOneProcessOnlyIsTrainedByAll()
    {
        double[][] together = ThreadProcessGroup.Run(2, group => Train(group, [group.Rank]));
        double[] alone = Train(null, [0, 1]);

        CollectionAssert.AreEqual(together[0], together[1]);
        Assert.IsLessThan(1e-12, TestNets.Distance(alone, together[0]));

        // Which of two layers a sample goes through depends on the sample.
        static double[] Train(ProcessGroup? group, int[] samples)
        {
            using DisposeScope scope = NewDisposeScope();
            Module<Tensor, Tensor>[] each = [Linear(3, 2), Linear(3, 2), Linear(3, 2)];
            Module<Tensor, Tensor> layers = Sequential(each);
            layers.to(ScalarType.Float64);
            using (no_grad())
            {
                foreach (Tensor parameter in layers.parameters())
                    parameter.copy_(arange(parameter.numel(), dtype: ScalarType.Float64).sin().view(parameter.shape));
            }
            using var optimizer = new SharpnessAwareOptimizer(layers, SharpnessAwareMethod.Ssam(), new BaseOptimizer.AdamW(0.01))
            {
                ProcessGroup = group,
                SharedAscent = true,
            };
            for (int t = 0; t < 5; t++)
            {
                Tensor input = tensor([0.5, -1, t], [1, 3]);
                optimizer.Step(samples.Select(sample => new MicroBatch(() => each[sample].call(input), tensor([(long)sample]))));
            }
            return TestNets.Values(layers);
        }
    }

    /// <summary>In evaluation mode nothing else makes the running statistics the same.</summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void ProcessesThatBeginWithOtherWeightsAndStatisticsTakeThoseOfTheFirst(bool trains)
    {
        double[][] together = ThreadProcessGroup.Run(2, group =>
        {
            using DisposeScope scope = NewDisposeScope();
            Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true);
            using (no_grad())
            {
                foreach (Tensor tensor in net.state_dict().Values.Where(tensor => tensor.is_floating_point()))
                    tensor.add_(group.Rank);
            }
            net.train(trains);
            using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), BaseOptimizers[0]) { ProcessGroup = group };
            Step(net, optimizer, 0, PartOf(group, BatchSize), isDouble: true);
            return TestNets.Values(net);
        });

        CollectionAssert.AreEqual(together[0], together[1]);
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void WhatDivergesInOneProcessEndsAllWithTheSameError(bool shared)
    {
        string[] errors = ThreadProcessGroup.Run(2, group =>
        {
            using DisposeScope scope = NewDisposeScope();
            Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
            double[] before = TestNets.Values(net);
            using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Csam(), BaseOptimizers[0])
            {
                ProcessGroup = group,
                SharedAscent = shared,
            };
            (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
            using Scalar much = (group.Rank == 1 ? double.MaxValue : 1).ToScalar();
            string message = Assert.ThrowsExactly<TrainingDivergedException>(
                () => optimizer.Step(() => net.call(images.mul(much)), labels)).Message;
            CollectionAssert.AreEqual(before, TestNets.Values(net));
            return message;
        });

        Assert.AreEqual(errors[0], errors[1]);
    }

    [TestMethod]
    public void AGroupOfOneChangesNothing()
    {
        foreach (SharpnessAwareMethod method in Methods.Values)
        {
            (double[] alone, _, _) = Train(method, BaseOptimizers[0], null, isDouble: false);
            (double[] one, _, _) = ThreadProcessGroup.Run(1, group => Train(method, BaseOptimizers[0], group, isDouble: false)).Single();
            CollectionAssert.AreEqual(alone, one);
        }
    }

    private static Range PartOf(ProcessGroup? group, int count) => group is null
        ? ..count
        : (count * group.Rank / group.Size)..(count * (group.Rank + 1) / group.Size);

    private static (double[] Weights, double Loss, double Norm) Train(SharpnessAwareMethod method, BaseOptimizer baseOptimizer,
        ProcessGroup? group, bool isDouble, bool shared = false, bool batchNorm = false, int steps = Steps, bool synchronize = false)
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm);
        if (!isDouble)
            net.to(ScalarType.Float32);
        using var optimizer = new SharpnessAwareOptimizer(net, method, baseOptimizer)
        {
            ProcessGroup = group,
            SharedAscent = shared,
            SynchronizeBatchNorm = synchronize,
            MaxGradientNorm = 0.5,
        };
        double loss = 0;
        for (int t = 0; t < steps; t++)
            loss = Step(net, optimizer, t, PartOf(group, BatchSize), isDouble);
        return (TestNets.Values(net), loss, optimizer.GradientNorm);
    }

    private static (double[] Weights, double Loss, double Norm) TrainInParts(
        SharpnessAwareMethod method, BaseOptimizer baseOptimizer, int parts)
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
        using var optimizer = new SharpnessAwareOptimizer(net, method, baseOptimizer) { MaxGradientNorm = 0.5 };
        double loss = 0;
        for (int t = 0; t < Steps; t++)
        {
            (Tensor images, Tensor labels) = TestNets.ReferenceBatch(t);
            loss = optimizer.Step(
                Enumerable.Range(0, parts).Select(i => (Start: BatchSize * i / parts, End: BatchSize * (i + 1) / parts)).Select(part =>
                    new MicroBatch(() => net.call(images[TensorIndex.Slice(part.Start, part.End)]),
                        labels[TensorIndex.Slice(part.Start, part.End)])),
                Ascent.PerMicroBatch);
        }
        return (TestNets.Values(net), loss, optimizer.GradientNorm);
    }

    private static double Step(Module<Tensor, Tensor> net, SharpnessAwareOptimizer optimizer, int t, Range part, bool isDouble)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(t);
        (int start, int length) = part.GetOffsetAndLength(BatchSize);
        images = images.narrow(0, start, length).to(isDouble ? ScalarType.Float64 : ScalarType.Float32);
        return optimizer.Step(net.call, images, labels.narrow(0, start, length));
    }
}
