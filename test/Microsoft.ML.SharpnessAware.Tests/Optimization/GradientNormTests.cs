using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>What a step tells of itself, and γ that changes while training.</summary>
[TestClass]
public sealed class GradientNormTests
{
    private static readonly BaseOptimizer Still = new BaseOptimizer.Sgd(0);

    [TestMethod]
    public void NormsAreThoseOfTheGradientsAtBothPlaces()
    {
        using DisposeScope scope = NewDisposeScope();
        nn.Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
        Tensor[] g = Gradient();
        double norm = Norm(g);

        using (var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Ssam(0.3), Still))
        {
            Assert.AreEqual(double.NaN, optimizer.GradientNorm);
            optimizer.Step(() => net.forward(images), labels);
            Assert.AreEqual(norm, optimizer.GradientNorm, 1e-12);
            using var noGradient = no_grad();
            foreach ((Parameter w, Tensor d) in net.parameters().Zip(g))
                w.add_(d * (0.3 / norm));
            Assert.AreEqual(Norm(Gradient()), optimizer.PerturbedGradientNorm, 1e-12);
        }

        Tensor[] Gradient()
        {
            using var gradients = enable_grad();
            return [.. autograd.grad([nn.functional.cross_entropy(net.forward(images), labels)], [.. net.parameters()])];
        }
    }

    [TestMethod]
    public void WithoutASecondPassThereIsNoSecondNorm()
    {
        using DisposeScope scope = NewDisposeScope();
        nn.Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(0);
        using var optimizer = new SharpnessAwareOptimizer(net, SharpnessAwareMethod.Standard, Still);
        optimizer.Step(() => net.forward(images), labels);
        Assert.IsGreaterThan(0, optimizer.GradientNorm);
        Assert.AreEqual(double.NaN, optimizer.PerturbedGradientNorm);
    }

    [TestMethod]
    public void GammaCanChangeBetweenSteps()
    {
        BaseOptimizer sgd = new BaseOptimizer.Sgd(0.1);
        double[] expected = TestNets.Train(SharpnessAwareMethod.Csam(gamma: 1.5), sgd);
        CollectionAssert.AreEqual(expected, TestNets.Train(SharpnessAwareMethod.Sam(), sgd, configure: optimizer => optimizer.Gamma = 1.5));
        CollectionAssert.AreNotEqual(expected, TestNets.Train(SharpnessAwareMethod.Sam(), sgd));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => TestNets.Train(SharpnessAwareMethod.Sam(), sgd, configure: optimizer => optimizer.Gamma = 2.1));
    }

    private static double Norm(IEnumerable<Tensor> gradient) => Math.Sqrt(gradient.Sum(g => g.square().sum().item<double>()));
}
