using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class WeightAverageTests
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Module<Tensor, Tensor> _net = TestNets.ReferenceNet(batchNorm: true);
    private readonly SharpnessAwareOptimizer _optimizer;

    public WeightAverageTests() =>
        _optimizer = new SharpnessAwareOptimizer(_net, SharpnessAwareMethod.Sam(), new BaseOptimizer.Sgd(0.1));

    [TestCleanup]
    public void Cleanup()
    {
        _optimizer.Dispose();
        _scope.Dispose();
    }

    [TestMethod]
    public void AveragesAreThoseOfOneParameterAtATime()
    {
        using WeightAverage exponential = WeightAverage.Exponential(_optimizer, 0.7), uniform = WeightAverage.Uniform(_optimizer);
        Dictionary<string, Tensor> slow = [], sum = [];
        const int Steps = 6;
        for (int t = 0; t < Steps; t++)
        {
            Step(t);
            exponential.Update();
            uniform.Update();
            foreach ((string name, Tensor parameter) in _net.named_parameters())
            {
                Tensor w = parameter.detach();
                slow[name] = t == 0 ? w.clone() : (slow[name] * 0.7) + (w * 0.3);
                sum[name] = t == 0 ? w.clone() : sum[name] + w;
            }
        }
        double[] own = TestNets.Values(_net);
        using (exponential.Apply())
        {
            foreach ((string name, Tensor parameter) in _net.named_parameters())
                Assert.IsTrue(parameter.allclose(slow[name], 0, 1e-12), name);
        }
        using (uniform.Apply())
        {
            foreach ((string name, Tensor parameter) in _net.named_parameters())
                Assert.IsTrue(parameter.allclose(sum[name] / Steps, 0, 1e-12), name);
        }
        CollectionAssert.AreEqual(own, TestNets.Values(_net));
        Assert.AreEqual(Steps, uniform.Updates);
    }

    [TestMethod]
    public void ADecayOfZeroAndTheFirstUpdateAreTheWeightsThemselves()
    {
        using WeightAverage last = WeightAverage.Exponential(_optimizer, 0), first = WeightAverage.Uniform(_optimizer);
        Step(0);
        first.Update();
        last.Update();
        double[] one = TestNets.Values(_net);
        using (first.Apply())
            CollectionAssert.AreEqual(one, TestNets.Values(_net));
        Step(1);
        last.Update();
        double[] two = TestNets.Values(_net);
        using (last.Apply())
            CollectionAssert.AreEqual(two, TestNets.Values(_net));
    }

    [TestMethod]
    public void TrainingGoesOnUnderAnAverageOnlyAfterItsOwnWeightsAreBack()
    {
        using WeightAverage average = WeightAverage.Uniform(_optimizer);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(average.Apply).Message, "no average yet");
        Step(0);
        average.Update();
        Step(1);
        double[] own = TestNets.Values(_net);
        IDisposable applied = average.Apply();
        Assert.ThrowsExactly<InvalidOperationException>(average.Update);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(average.Apply).Message, "already");
        applied.Dispose();
        applied.Dispose();
        CollectionAssert.AreEqual(own, TestNets.Values(_net));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => WeightAverage.Exponential(_optimizer, 1));
    }

    [TestMethod]
    public void TheNetworkGetsItsOwnStatisticsBack()
    {
        using WeightAverage average = WeightAverage.Uniform(_optimizer);
        Step(0);
        average.Update();
        Step(1);
        double[] own = TestNets.Values(_net);
        using (average.Apply())
        {
            WeightAverage.UpdateStatistics(_net, [() => _net.call(TestNets.ReferenceBatch(2).Images)]);
            Assert.IsTrue(own.Zip(TestNets.Values(_net)).Any(pair => pair.First != pair.Second));
        }
        CollectionAssert.AreEqual(own, TestNets.Values(_net));
    }

    [TestMethod]
    public void StatisticsAreTheMeanOverThePasses()
    {
        Step(0);
        _net.eval();
        Tensor[] batches = [TestNets.ReferenceBatch(1).Images, TestNets.ReferenceBatch(2).Images, TestNets.ReferenceBatch(3).Images];
        WeightAverage.UpdateStatistics(_net, batches.Select(images => (Action)(() => _net.call(images))));
        byte[][] ofPasses = Statistics();
        _net.get_buffer("bn.running_mean")!.zero_();
        WeightAverage.UpdateStatistics(_net, batches);
        foreach ((byte[] expected, byte[] actual) in ofPasses.Zip(Statistics()))
            CollectionAssert.AreEqual(expected, actual);
        Assert.IsFalse(batches.Any(batch => batch.IsInvalid));

        Module<Tensor, Tensor> twin = TestNets.ReferenceNet(batchNorm: true);
        twin.load_state_dict(_net.state_dict());
        Tensor mean = zeros(4, float64), variance = zeros(4, float64);
        foreach (Tensor images in batches)
        {
            Tensor channels = functional.conv2d(images, twin.get_parameter("conv.weight")!, twin.get_parameter("conv.bias")!,
                padding: [1, 1])
                .transpose(0, 1).reshape(4, -1).detach();
            mean = mean + (channels.mean([1]) / 3);
            variance = variance + (channels.var(1, unbiased: true) / 3);
        }
        Assert.IsTrue(_net.state_dict()["bn.running_mean"].allclose(mean, 0, 1e-12));
        Assert.IsTrue(_net.state_dict()["bn.running_var"].allclose(variance, 0, 1e-12));
        Assert.IsTrue(_net.modules().All(module => !module.training));
        Assert.AreEqual(0.1, _net.modules().OfType<TorchSharp.Modules.BatchNorm2d>().Single().momentum);
        Assert.ThrowsExactly<ArgumentException>(() => WeightAverage.UpdateStatistics(_net, []));
        Assert.ThrowsExactly<ArgumentException>(() => WeightAverage.UpdateStatistics(_net, Array.Empty<Action>()));
        WeightAverage.UpdateStatistics(Linear(2, 2), []);

        byte[][] Statistics() =>
            [.. new[] { "bn.running_mean", "bn.running_var" }.Select(name => _net.get_buffer(name)!.bytes.ToArray())];
    }

    /// <summary>As update_bn of PyTorch: the mean over all that a layer has normalised.</summary>
    [TestMethod]
    [DataRow("batch", "call", 0.1)]
    [DataRow("batch", "call", double.NaN)]
    [DataRow("batch", "forward", 0.1)]
    [DataRow("batch", "optimizer", 0.1)]
    [DataRow("batch", "optimizer", double.NaN)]
    [DataRow("images", "call", 0.1)]
    [DataRow("instance", "call", 0.1)]
    [DataRow("own", "call", 0.1)]
    public void StatisticsOfALayerThatRunsSeveralTimesInAPassAreTheMeanOverAllItsRuns(string kind, string how, double momentum)
    {
        TorchSharp.Modules.NormBase norm = kind switch
        {
            "batch" => BatchNorm2d(2),
            "images" => new ImageBatchNorm(2),
            "own" => new OwnNorm(2),
            _ => InstanceNorm2d(2, affine: true, track_running_stats: true),
        };
        norm.momentum = double.IsNaN(momentum) ? null : momentum;
        using SharpnessAwareOptimizer? optimizer =
            how == "optimizer" ? new(norm, SharpnessAwareMethod.Sam(), new BaseOptimizer.Sgd(0.1)) : null;
        norm.call(randn(5, 2, 4, 4)).Dispose();
        Tensor[] runs = [.. Enumerable.Range(0, 7).Select(i => randn(3, 2, 4, 4) + i)];
        int next = 0;

        WeightAverage.UpdateStatistics(norm, new[] { 2, 1, 4 }.Select(count => (Action)(() =>
        {
            for (int i = 0; i < count; i++)
                _ = how == "forward" ? norm.forward(runs[next++]) : norm.call(runs[next++]);
        })));

        Assert.AreEqual(runs.Length, next);
        Tensor mean = stack(runs.Select(run => run.mean([0, 2, 3]))).mean([0]), variance = stack(runs.Select(run => kind == "instance"
            ? run.flatten(2).var(2, unbiased: true).mean([0])
            : run.transpose(0, 1).flatten(1).var(1, unbiased: true))).mean([0]);
        Assert.IsTrue(norm.running_mean!.allclose(mean, 0, 1e-5), $"{norm.running_mean!.str()} {mean.str()}");
        Assert.IsTrue(norm.running_var!.allclose(variance, 0, 1e-5), $"{norm.running_var!.str()} {variance.str()}");
        Assert.AreEqual(double.IsNaN(momentum) ? null : momentum, norm.momentum);
    }

    [TestMethod]
    [DataRow(false, 0.25)]
    [DataRow(false, double.NaN)]
    [DataRow(true, 0.25)]
    [DataRow(true, double.NaN)]
    public void ALayerThatNoPassRunsKeepsWhatItHad(bool isInstance, double variance)
    {
        TorchSharp.Modules.NormBase used = BatchNorm1d(4),
            idle = isInstance ? InstanceNorm1d(4, track_running_stats: true) : BatchNorm1d(4);
        Module<Tensor, Tensor> net = Sequential(("used", (Module<Tensor, Tensor>)used), ("idle", idle));
        using (no_grad())
        {
            idle.running_mean!.fill_(3);
            idle.running_var!.fill_(variance);
            idle.num_batches_tracked!.fill_(7);
        }
        double[] before = TestNets.Values(idle), ofUsed = TestNets.Values(used);
        WeightAverage.UpdateStatistics(net, [() => used.call(randn(8, 4))]);
        CollectionAssert.AreEqual(before, TestNets.Values(idle));
        CollectionAssert.AreNotEqual(ofUsed, TestNets.Values(used));
    }

    [TestMethod]
    public void WhatIsInEvaluationModeWhileTheRestTrainsStaysSoAndAsItIs()
    {
        Module<Tensor, Tensor> backbone = Sequential(("fc", Linear(4, 4)), ("norm", BatchNorm1d(4)), ("drop", Dropout(0.5))),
            head = Sequential(("norm", BatchNorm1d(4)), ("drop", Dropout(0.5))), net = Sequential(("backbone", backbone), ("head", head));
        net.train();
        backbone.eval();
        Dictionary<string, double[]> before = State();
        bool[] modes = Modes(net);
        foreach (bool throws in new[] { false, true })
        {
            try
            {
                WeightAverage.UpdateStatistics(net, [() =>
                {
                    CollectionAssert.AreEqual(modes, Modes(net), "in the pass");
                    net.call(randn(8, 4));
                    if (throws)
                        throw new IOException("the disk is full");
                }]);
            }
            catch (IOException) when (throws)
            {
            }
            CollectionAssert.AreEqual(modes, Modes(net));
        }
        foreach ((string name, double[] values) in State())
            Assert.AreEqual(!name.StartsWith("head.norm", StringComparison.Ordinal), values.SequenceEqual(before[name]), name);

        // Nothing is to be made, and no pass is needed.
        head.eval();
        WeightAverage.UpdateStatistics(net, [() => Assert.Fail("a pass for nothing")]);
        CollectionAssert.AreEqual(Modes(net), new[] { true, false, false, false, false, false, false, false });

        Dictionary<string, double[]> State() => net.named_buffers().ToDictionary(
            entry => entry.name, entry => entry.buffer.to(float64).reshape(-1).data<double>().ToArray());
    }

    [TestMethod]
    public void ANetworkInEvaluationModeOfWhichAPartTrainsIsFrozenButForThatPart()
    {
        Module<Tensor, Tensor> backbone = BatchNorm1d(4), head = Sequential(("norm", BatchNorm1d(4)), ("drop", Dropout(0.5))),
            net = Sequential(("backbone", backbone), ("head", head));
        net.eval();
        head.train();
        bool[] modes = Modes(net);
        double[] before = TestNets.Values(backbone), ofHead = TestNets.Values(head);
        WeightAverage.UpdateStatistics(net, [() => net.call(randn(8, 4))]);
        CollectionAssert.AreEqual(modes, Modes(net));
        CollectionAssert.AreEqual(before, TestNets.Values(backbone));
        CollectionAssert.AreNotEqual(ofHead, TestNets.Values(head));
    }

    [TestMethod]
    public void OfANetworkInEvaluationModeAllIsMadeAnewAndEachLayersModeComesBack()
    {
        // Dropout that draws in evaluation too, and a layer of two containers.
        Module<Tensor, Tensor> drop = Dropout(0.5), shared = BatchNorm1d(4), one = Sequential(("norm", shared), ("drop", drop)),
            other = Sequential(("norm", shared), ("own", BatchNorm1d(4))), net = Sequential(("one", one), ("other", other));
        net.eval();
        one.train();
        shared.eval();
        bool[] modes = Modes(net);
        WeightAverage.UpdateStatistics(net, [() =>
        {
            Assert.IsTrue(Array.TrueForAll(Modes(net), isTraining => isTraining));
            net.call(randn(8, 4));
        }]);
        CollectionAssert.AreEqual(modes, Modes(net));
        // The means behind another batch norm are 0 but for rounding.
        foreach ((string name, Tensor buffer) in net.named_buffers().Where(entry => entry.name.EndsWith("var")))
            Assert.IsFalse(buffer.eq(1).any().item<bool>(), name);
    }

    private static bool[] Modes(Module module) => [module.training, .. module.modules().Select(layer => layer.training)];

    [TestMethod]
    public void AnAverageIsSavedAndResumed()
    {
        using WeightAverage average = WeightAverage.Uniform(_optimizer), resumed = WeightAverage.Uniform(_optimizer);
        Step(0);
        average.Update();
        Step(1);
        average.Update();
        byte[] saved = TestNets.Saved(average.Save);
        resumed.Load(new BinaryReader(new MemoryStream(saved)));
        Step(2);
        average.Update();
        resumed.Update();
        CollectionAssert.AreEqual(TestNets.Saved(average.Save), TestNets.Saved(resumed.Save));
        byte[] before = TestNets.Saved(resumed.Save);
        foreach (byte[] wrong in new[]
        {
            saved[..^5], [1, 2, 3, 4, 5, 6, 7, 8], [], [.. saved[..8], 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, .. saved[8..]],
        })
        {
            Assert.ThrowsExactly<InvalidDataException>(() => resumed.Load(new BinaryReader(new MemoryStream(wrong))));
            CollectionAssert.AreEqual(before, TestNets.Saved(resumed.Save));
        }
        using var other = new SharpnessAwareOptimizer(TestNets.ReferenceNet(false), SharpnessAwareMethod.Sam(), new BaseOptimizer.Sgd(0.1));
        using WeightAverage foreign = WeightAverage.Uniform(other);
        Assert.ThrowsExactly<InvalidDataException>(() => foreign.Load(new BinaryReader(new MemoryStream(saved))));
    }

    private void Step(int t)
    {
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(t);
        _optimizer.Step(() => _net.call(images), labels);
    }

    /// <summary>Counts nothing, and takes 0.1 where there is no momentum.</summary>
    private sealed class OwnNorm(long channels)
        : TorchSharp.Modules.BatchNorm(channels, 1e-5, 0.1, true, true, null, null, nameof(OwnNorm))
    {
        public override Tensor forward(Tensor input) =>
            functional.batch_norm(input, running_mean!, running_var!, weight!, bias!, training, momentum ?? 0.1, eps);

        protected override void ValidateInputDimensions(Tensor input)
        {
        }
    }
}
