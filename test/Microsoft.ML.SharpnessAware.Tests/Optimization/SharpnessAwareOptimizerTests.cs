using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>What a step computes: identities between the methods, values by hand, and agreement with a second implementation.</summary>
[TestClass]
public sealed class SharpnessAwareOptimizerTests
{
    private static readonly BaseOptimizer Sgd = new BaseOptimizer.Sgd(0.1);

    public static IEnumerable<object[]> Combinations =>
        from adaptive in new[] { false, true }
        from normalize in new[] { false, true }
        from renormalize in new[] { false, true }
        from numbers in new double[][] { [0.1, 0], [0.1, 1.5], [0, 0.7] }
        select new object[]
        {
            new SharpnessAwareMethod
            {
                Rho = numbers[0], Gamma = numbers[1], Adaptive = adaptive, NormalizeAscent = normalize, Renormalize = renormalize,
            },
        };

    [TestMethod]
    [DynamicData(nameof(Combinations))]
    public void EveryCombinationOfSwitchesAgreesWithAPlainImplementation(SharpnessAwareMethod method)
    {
        foreach (BaseOptimizer settings in new BaseOptimizer[]
        {
            new BaseOptimizer.Sgd(0.1, Momentum: 0, WeightDecay: 0.01) { DecayBiasAndNorm = true },
            new BaseOptimizer.Sgd(0.1, Nesterov: true) { DecayBiasAndNorm = true },
            new BaseOptimizer.AdamW(0.01, WeightDecay: 0.05) { DecayBiasAndNorm = true },
        })
        {
            foreach (bool batchNorm in new[] { false, true })
            {
                // A bias before batch norm has no gradient but rounding errors, which Adam's division blows up.
                double tolerance = batchNorm && settings is BaseOptimizer.AdamW ? 1e-8 : 1e-12;
                double[] expected = PlainStep.Train(method, settings, batchNorm, steps: 4);
                AreClose(expected, TestNets.Train(method, settings, batchNorm, steps: 4), tolerance);
            }
        }
    }

    [TestMethod]
    public void RhoZeroIsTheBaseOptimizerBitForBit()
    {
        foreach (BaseOptimizer settings in new[] { Sgd, new BaseOptimizer.AdamW(0.01) })
        {
            double[] expected = TestNets.Train(SharpnessAwareMethod.Standard, settings, batchNorm: true);
            foreach (var method in (SharpnessAwareMethod[])
                [SharpnessAwareMethod.Sam(0), SharpnessAwareMethod.Ssam(0), SharpnessAwareMethod.Csam(0, 0), SharpnessAwareMethod.Asam(0)])
                AreIdentical(expected, TestNets.Train(method, settings, batchNorm: true));
        }
    }

    [TestMethod]
    public void GammaZeroIsSamBitForBit() => AreIdentical(
        TestNets.Train(SharpnessAwareMethod.Sam(), Sgd, batchNorm: true),
        TestNets.Train(SharpnessAwareMethod.Csam(gamma: 0), Sgd, batchNorm: true));

    [TestMethod]
    public void SsamWithEqualNormsIsSam()
    {
        // A loss that is linear in the weights has the same gradient everywhere.
        double[] Train(SharpnessAwareMethod method)
        {
            using DisposeScope scope = NewDisposeScope();
            manual_seed(1);
            Module<Tensor, Tensor> net = Linear(4, 3).to(ScalarType.Float64);
            using var optimizer = new SharpnessAwareOptimizer(net, method, Sgd, new SumOfLogits());
            Tensor x = randn(5, 4, dtype: ScalarType.Float64), y = zeros(5, dtype: ScalarType.Int64);
            for (int t = 0; t < 5; t++)
                optimizer.Step(() => net.forward(x), y);
            return TestNets.Values(net);
        }
        AreClose(Train(SharpnessAwareMethod.Sam(0.3)), Train(SharpnessAwareMethod.Ssam(0.3)), 1e-11);
    }

    [TestMethod]
    public void SamClimbsByRhoAlongTheGradient()
    {
        (double[] w, double[] g, double[] climb) = FirstClimb(SharpnessAwareMethod.Sam(0.3));
        Assert.AreEqual(0.3, Norm(climb), 1e-12);
        AreClose([.. g.Select(x => 0.3 * x / Norm(g))], climb);
    }

    [TestMethod]
    public void UsamClimbsByRhoTimesTheGradient()
    {
        (_, double[] g, double[] climb) = FirstClimb(SharpnessAwareMethod.Sam(0.3) with { NormalizeAscent = false });
        AreClose([.. g.Select(x => 0.3 * x)], climb);
    }

    [TestMethod]
    public void AsamClimbsByTheScaledGradient()
    {
        (double[] w, double[] g, double[] climb) = FirstClimb(SharpnessAwareMethod.Asam(0.3));
        double norm = Norm([.. w.Zip(g, (a, b) => a * b)]);
        AreClose([.. w.Zip(g, (a, b) => 0.3 * a * a * b / norm)], climb);

        (w, g, climb) = FirstClimb(SharpnessAwareMethod.Asam(0.3) with { NormalizeAscent = false });
        AreClose([.. w.Zip(g, (a, b) => 0.3 * a * a * b)], climb);
    }

    [TestMethod]
    public void WeightsAreRestoredExactlyAfterTheClimb()
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
        double[] before = TestNets.Values(net);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(0.3), new BaseOptimizer.Sgd(0));
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
        optimizer.Step(() => net.forward(images), labels);
        AreIdentical(before, TestNets.Values(net));
    }

    [TestMethod]
    public void StepReturnsTheUndampedLossOfTheFirstPass()
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (SharpnessAwareMethod method in new[]
            { SharpnessAwareMethod.Standard, SharpnessAwareMethod.Csam(0.2, 2), SharpnessAwareMethod.Csam(0, 2) })
        {
            Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
            (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
            double expected = functional.cross_entropy(net.forward(images), labels).item<double>();
            using var optimizer = new SharpnessAwareOptimizer(net, method, Sgd);
            Assert.AreEqual(expected, optimizer.Step(() => net.forward(images), labels), 1e-14, $"{method}");
        }
    }

    [TestMethod]
    public void OnlyAClimbOrASecondLossNeedsASecondPass()
    {
        int Passes(SharpnessAwareMethod method)
        {
            using DisposeScope scope = NewDisposeScope();
            Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
            (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
            using var optimizer = new SharpnessAwareOptimizer(net, method, Sgd);
            int passes = 0;
            optimizer.Step(() => { passes++; return net.forward(images); }, labels);
            return passes;
        }
        Assert.AreEqual(1, Passes(SharpnessAwareMethod.Standard));
        Assert.AreEqual(1, Passes(SharpnessAwareMethod.Ssam(0)));
        Assert.AreEqual(1, Passes(SharpnessAwareMethod.Csam(0, 1)));
        Assert.AreEqual(2, Passes(SharpnessAwareMethod.Csam(0, 1) with { Renormalize = true }));
        Assert.AreEqual(2, Passes(SharpnessAwareMethod.Sam()));
    }

    [TestMethod]
    public void LongGradientsAreClippedAfterRescaling()
    {
        SharpnessAwareMethod method = SharpnessAwareMethod.Ssam(0.3);
        BaseOptimizer settings = new BaseOptimizer.Sgd(0.1) { DecayBiasAndNorm = true };
        double[] clipped = TestNets.Train(method, settings, configure: o => o.MaxGradientNorm = 0.05);
        AreClose(PlainStep.Train(method, settings, batchNorm: false, steps: 5, clip: 0.05), clipped);
        Assert.IsFalse(TestNets.Train(method, settings).SequenceEqual(clipped));
        AreIdentical(TestNets.Train(method, settings), TestNets.Train(method, settings, configure: o => o.MaxGradientNorm = 1e6));
    }

    [TestMethod]
    public void LearningRateAndRhoCanChangeBetweenSteps()
    {
        AreIdentical(
            TestNets.Train(SharpnessAwareMethod.Sam(0.2), new BaseOptimizer.Sgd(0.05)),
            TestNets.Train(SharpnessAwareMethod.Sam(0.7), new BaseOptimizer.Sgd(0.9),
                configure: o => (o.LearningRate, o.Rho) = (0.05, 0.2)));
    }

    [TestMethod]
    public void Float32NetsTrainToo()
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true).to(ScalarType.Float32);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Csam(), Sgd);
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
        images = images.to(ScalarType.Float32);
        double first = optimizer.Step(() => net.forward(images), labels), last = first;
        for (int t = 0; t < 30; t++)
            last = optimizer.Step(() => net.forward(images), labels);
        Assert.IsLessThan(first / 2, last);
    }

    [TestMethod]
    public void StepsLeaveNoTensorsBehind()
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true);
        using var optimizer = new SharpnessAwareOptimizer(
            net, SharpnessAwareMethod.Csam() with { Adaptive = true, Renormalize = true }, Sgd) { MaxGradientNorm = 1 };
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
        optimizer.Step(() => net.forward(images), labels);
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        for (int t = 0; t < 500; t++)
            optimizer.Step(() => net.forward(images), labels);
        Assert.AreEqual(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [TestMethod]
    public void DisposeFreesEveryTensorAndLeavesTheModuleWorking()
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: true);
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), new BaseOptimizer.AdamW(0.01));
        optimizer.Step(() => net.forward(images), labels);
        optimizer.Dispose();
        Assert.AreEqual(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        Assert.IsTrue(net.forward(images).isfinite().all().item<bool>());
        Assert.ThrowsExactly<ObjectDisposedException>(() => optimizer.Step(() => net.forward(images), labels));
        optimizer.Dispose();
    }

    private static (double[] W, double[] G, double[] Climb) FirstClimb(SharpnessAwareMethod method)
    {
        using DisposeScope scope = NewDisposeScope();
        Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
        Tensor[] g = [.. autograd.grad([functional.cross_entropy(net.forward(images), labels)], [.. net.parameters()])];
        double[] w = TestNets.Values(net);
        using var optimizer = new SharpnessAwareOptimizer(net, method, Sgd);
        double[] there = [];
        optimizer.Step(() =>
        {
            there = TestNets.Values(net);
            return net.forward(images);
        }, labels);
        return (w, [.. g.SelectMany(x => x.reshape(-1).data<double>().ToArray())], [.. there.Zip(w, (a, b) => a - b)]);
    }

    private static double Norm(double[] values) => Math.Sqrt(values.Sum(x => x * x));

    private static void AreIdentical(double[] expected, double[] actual) => CollectionAssert.AreEqual(expected, actual);

    private static void AreClose(double[] expected, double[] actual, double tolerance = 1e-12)
    {
        Assert.HasCount(expected.Length, actual);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], tolerance);
    }

    private sealed record SumOfLogits : ClassificationLoss
    {
        public override Tensor PerSample(Tensor logits, Tensor labels) => logits.sum(1);
    }
}
