using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Steps on samples with two labels: the gradient is that of λ ℓ(y₁) + (1 − λ) ℓ(y₂), each term damped by its own
/// probability.</summary>
[TestClass]
public sealed class MixedLabelsTests
{
    // One step of it is w − g.
    private static readonly BaseOptimizer UnitStep = new BaseOptimizer.Sgd(1, Momentum: 0, WeightDecay: 0);

    private static readonly SharpnessAwareMethod DescentOnly = SharpnessAwareMethod.Csam(rho: 0, gamma: 2);

    [TestMethod]
    [DataRow(0.0)]
    [DataRow(2.0)]
    public void TheGradientIsThatOfTheFormulaByFiniteDifferences(double gamma)
    {
        using DisposeScope scope = NewDisposeScope();
        (Module<Tensor, Tensor> net, Tensor x, Tensor first, Tensor second, Tensor share) = Problem();
        double[] before = TestNets.Values(net);
        using (var optimizer = new SharpnessAwareOptimizer(net, DescentOnly with { Gamma = gamma }, UnitStep))
            optimizer.Step(() => net.forward(x), first, second, share);
        double[] after = TestNets.Values(net);

        const double H = 1e-6;
        for (int i = 0; i < before.Length; i++)
        {
            double slope = (Objective(Moved(before, i, H)) - Objective(Moved(before, i, -H))) / (2 * H);
            Assert.AreEqual(slope, before[i] - after[i], 1e-8, $"weight {i}");
        }

        // The formula once more, sample by sample, in plain arithmetic.
        double Objective(double[] w)
        {
            double sum = 0;
            for (int n = 0; n < 6; n++)
            {
                double[] z = [.. Enumerable.Range(0, 3).Select(k => w[12 + k] + Enumerable.Range(0, 4)
                    .Sum(j => w[(4 * k) + j] * x[n, j].item<double>()))];
                double normalizer = z.Sum(Math.Exp);
                double lambda = share[n].item<double>();
                sum += (lambda * Damped(Math.Exp(z[first[n].item<long>()]) / normalizer))
                    + ((1 - lambda) * Damped(Math.Exp(z[second[n].item<long>()]) / normalizer));
            }
            return sum / 6;
        }

        double Damped(double p) => -Math.Log(p) * (p > 0.5 ? Math.Pow(1 + p, -gamma) : 1);
    }

    [TestMethod]
    public void TheProblemHasDampedAndUndampedTerms()
    {
        using DisposeScope scope = NewDisposeScope();
        (Module<Tensor, Tensor> net, Tensor x, Tensor first, Tensor second, _) = Problem();
        Tensor p = net.forward(x).softmax(1);
        int confident = 0;
        foreach (Tensor labels in new[] { first, second })
            confident += (int)p.gather(1, labels.unsqueeze(1)).gt(0.5).sum().item<long>();
        Assert.IsInRange(2, 10, confident);
    }

    [TestMethod]
    public void TheLossReturnedIsTheMixedOneWithoutDamping()
    {
        using DisposeScope scope = NewDisposeScope();
        (Module<Tensor, Tensor> net, Tensor x, Tensor first, Tensor second, Tensor share) = Problem();
        Tensor logP = net.forward(x).log_softmax(1);
        Tensor expected = -((share * logP.gather(1, first.unsqueeze(1)).squeeze(1)) +
            ((1 - share) * logP.gather(1, second.unsqueeze(1)).squeeze(1))).mean();
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Csam(0.05, 2), UnitStep);
        Assert.AreEqual(expected.item<double>(), optimizer.Step(() => net.forward(x), first, second, share), 1e-12);
    }

    [TestMethod]
    public void AShareOfOneOrEqualLabelsIsTheStepWithOneLabel()
    {
        foreach (SharpnessAwareMethod method in new[] { SharpnessAwareMethod.Standard, SharpnessAwareMethod.Ssam(),
            SharpnessAwareMethod.Csam(0.1, 2) })
        {
            double[] plain = After(method, (optimizer, logits, first, _, _) => optimizer.Step(logits, first));
            double[] whole = After(method, (optimizer, logits, first, second, share) =>
                optimizer.Step(logits, first, second, ones_like(share)));
            double[] none = After(method, (optimizer, logits, first, second, share) =>
                optimizer.Step(logits, second, first, zeros_like(share)));
            double[] equal = After(method, (optimizer, logits, first, _, share) => optimizer.Step(logits, first, first, share));
            for (int i = 0; i < plain.Length; i++)
            {
                Assert.AreEqual(plain[i], whole[i], 1e-14);
                Assert.AreEqual(plain[i], none[i], 1e-14);
                Assert.AreEqual(plain[i], equal[i], 1e-14);
            }
        }
    }

    [TestMethod]
    public void LabelsMaySwapWithTheirShares()
    {
        double[] one = After(SharpnessAwareMethod.Csam(), (optimizer, logits, first, second, share) =>
            optimizer.Step(logits, first, second, share));
        double[] other = After(SharpnessAwareMethod.Csam(), (optimizer, logits, first, second, share) =>
            optimizer.Step(logits, second, first, 1 - share));
        for (int i = 0; i < one.Length; i++)
            Assert.AreEqual(one[i], other[i], 1e-13);
    }

    [TestMethod]
    public void ProbabilitiesAreMixedAsTheLabelsThatTheyStandFor()
    {
        foreach (ClassificationLoss loss in new ClassificationLoss[]
        {
            new ClassificationLoss.CrossEntropy(), new ClassificationLoss.CrossEntropy(0.1), new ClassificationLoss.Focal(1.5), new Own(),
        })
        {
            foreach (SharpnessAwareMethod method in new[] { SharpnessAwareMethod.Standard, SharpnessAwareMethod.Ssam(),
                SharpnessAwareMethod.Csam(0.1, 2) })
            {
                double[] classes = After(method, (optimizer, logits, first, second, share) =>
                    optimizer.Step(logits, first, second, share), loss);
                double[] certain = After(method, (optimizer, logits, first, second, share) =>
                    optimizer.Step(logits, OneHot(first), OneHot(second), share), loss);
                double[] mixed = After(method, (optimizer, logits, first, second, share) =>
                    optimizer.Step(logits, Soft(first), Soft(second), share), loss);
                double[] mixedBefore = After(method, (optimizer, logits, first, second, share) => optimizer.Step(
                    logits, (share.unsqueeze(1) * Soft(first)) + ((1 - share.unsqueeze(1)) * Soft(second))), loss);
                for (int i = 0; i < classes.Length; i++)
                {
                    Assert.AreEqual(classes[i], certain[i], 1e-12, $"{loss}, {method}");
                    Assert.AreEqual(mixedBefore[i], mixed[i], 1e-12, $"{loss}, {method}");
                }
            }
        }

        static Tensor OneHot(Tensor labels) => functional.one_hot(labels, 3).to(ScalarType.Float64);

        static Tensor Soft(Tensor labels) => (OneHot(labels) * 0.7) + 0.1;
    }

    [TestMethod]
    public void AShareIsThatOfAllPixelsOfItsImage()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = (arange(2 * 2 * 3 * 5, dtype: ScalarType.Float64) * 0.7).cos().view(2, 2, 3, 5), share = tensor(new[] { 0.2, 0.9 });
        Tensor first = arange(30).remainder(3).view(2, 3, 5), second = arange(30).remainder(2).view(2, 3, 5);
        Tensor eachShare = share.view(2, 1, 1).expand(2, 3, 5).reshape(-1);
        double[] images = Trained((optimizer, net) => optimizer.Step(() => net.call(x), first, second, share));
        double[] pixels = Trained((optimizer, net) => optimizer.Step(
            () => net.call(x).permute(0, 2, 3, 1).reshape(-1, 3), first.reshape(-1), second.reshape(-1), eachShare));
        double[] probabilities = Trained((optimizer, net) => optimizer.Step(() => net.call(x), OfEach(first), OfEach(second), share));
        for (int i = 0; i < images.Length; i++)
        {
            Assert.AreEqual(pixels[i], images[i], 1e-12);
            Assert.AreEqual(pixels[i], probabilities[i], 1e-12);
        }

        static Tensor OfEach(Tensor labels) => functional.one_hot(labels, 3).permute(0, 3, 1, 2).to(ScalarType.Float64);

        static double[] Trained(Action<SharpnessAwareOptimizer, Module<Tensor, Tensor>> step)
        {
            Module<Tensor, Tensor> net = Conv2d(2, 3, 1, dtype: ScalarType.Float64);
            using (no_grad())
            {
                foreach (Tensor parameter in net.parameters())
                    parameter.copy_(arange(parameter.numel(), dtype: ScalarType.Float64).sin().view(parameter.shape));
            }
            using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Csam(0.1, 2), UnitStep);
            step(optimizer, net);
            return TestNets.Values(net);
        }
    }

    [TestMethod]
    public void ProbabilitiesThatCannotBeMixedAreRefused()
    {
        using DisposeScope scope = NewDisposeScope();
        (Module<Tensor, Tensor> net, Tensor x, Tensor first, Tensor second, Tensor share) = Problem();
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), UnitStep);
        double[] before = TestNets.Values(net);
        Tensor one = functional.one_hot(first, 3).to(ScalarType.Float64), other = functional.one_hot(second, 3).to(ScalarType.Float64);
        StringAssert.Contains(ErrorOf(one, second, share), "or both be probabilities, but are Float64 [6, 3] and Int64 [6]");
        StringAssert.Contains(ErrorOf(first, other, share), "or both be probabilities, but are Int64 [6] and Float64 [6, 3]");
        StringAssert.Contains(ErrorOf(one * 0.5, other, share), "sum to 1");
        StringAssert.Contains(ErrorOf(one, other * 2, share), "sum to 1");
        StringAssert.Contains(ErrorOf(one, other * double.NaN, share), "sum to 1");
        StringAssert.Contains(ErrorOf(one, other.narrow(1, 0, 2), share), "but are Float64 [6, 2]");
        StringAssert.Contains(ErrorOf(one, other, share + 0.6), "must be in [0, 1]");
        StringAssert.Contains(ErrorOf(one, other, share.unsqueeze(1)), "of shape [batch], but is Float64 [6, 1]");
        CollectionAssert.AreEqual(before, TestNets.Values(net));

        string ErrorOf(Tensor labels, Tensor others, Tensor shares)
        {
            string known = Assert.ThrowsExactly<ArgumentException>(() => optimizer.Step(net.call, x, labels, others, shares)).Message;
            Assert.AreEqual(known,
                Assert.ThrowsExactly<ArgumentException>(() => optimizer.Step(() => net.forward(x), labels, others, shares)).Message);
            return known;
        }
    }

    [TestMethod]
    public void SharesAndSecondLabelsAreChecked()
    {
        using DisposeScope scope = NewDisposeScope();
        (Module<Tensor, Tensor> net, Tensor x, Tensor first, Tensor second, Tensor share) = Problem();
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Sam(), UnitStep);
        double[] before = TestNets.Values(net);
        StringAssert.Contains(ErrorOf(second, share + 0.6), "must be in [0, 1]");
        StringAssert.Contains(ErrorOf(second, share * double.NaN), "must be in [0, 1]");
        StringAssert.Contains(ErrorOf(second, share.unsqueeze(1)), "of shape [batch], but is Float64 [6, 1]");
        StringAssert.Contains(ErrorOf(second, first), "floating-point tensor");
        StringAssert.Contains(ErrorOf(second + 3, share), "out of range");
        Assert.ThrowsExactly<ArgumentNullException>(() => optimizer.Step(() => net.forward(x), first, null!, share));
        CollectionAssert.AreEqual(before, TestNets.Values(net));

        string ErrorOf(Tensor labels, Tensor shares) =>
            Assert.ThrowsExactly<ArgumentException>(() => optimizer.Step(() => net.forward(x), first, labels, shares)).Message;
    }

    private static double[] After(
        SharpnessAwareMethod method, Func<SharpnessAwareOptimizer, Func<Tensor>, Tensor, Tensor, Tensor, double> step,
        ClassificationLoss? loss = null)
    {
        using DisposeScope scope = NewDisposeScope();
        (Module<Tensor, Tensor> net, Tensor x, Tensor first, Tensor second, Tensor share) = Problem();
        using var optimizer = new SharpnessAwareOptimizer(net, method, UnitStep, loss);
        step(optimizer, () => net.forward(x), first, second, share);
        return TestNets.Values(net);
    }

    private static double[] Moved(double[] weights, int i, double by)
    {
        double[] moved = [.. weights];
        moved[i] += by;
        return moved;
    }

    /// <summary>A dense layer from 4 numbers to 3 classes and 6 samples, float64.</summary>
    private static (Module<Tensor, Tensor> Net, Tensor X, Tensor First, Tensor Second, Tensor Share) Problem()
    {
        Module<Tensor, Tensor> net = Linear(4, 3, dtype: ScalarType.Float64);
        using (no_grad())
        {
            double k = 0;
            foreach (Tensor parameter in net.parameters())
                parameter.copy_((arange(parameter.numel(), dtype: ScalarType.Float64) * 1.3 + k++).sin().view(parameter.shape) * 1.5);
        }
        Tensor x = (arange(24, dtype: ScalarType.Float64) * 0.7 + 0.2).cos().view(6, 4) * 1.5;
        return (net, x, tensor(new long[] { 0, 1, 2, 0, 1, 2 }), tensor(new long[] { 2, 0, 2, 1, 0, 1 }),
            tensor(new[] { 0.9, 0.7, 0.5, 0.3, 1.0, 0.45 }));
    }

    /// <summary>A loss that is no linear function of a probability.</summary>
    private sealed record Own : ClassificationLoss
    {
        public override Tensor PerSample(Tensor logits, Tensor labels) =>
            (1 - logits.softmax(1).gather(1, labels.unsqueeze(1)).squeeze(1)).square();
    }
}
