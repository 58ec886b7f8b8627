using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using static Microsoft.ML.SharpnessAware.Tests.AnyLoop;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Losses of one's own, and labels of pixels and probabilities.</summary>
[TestClass]
public sealed class AnyLossTests : WithDisposeScope
{
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
        damped.Climbs = false;      // nothing is damped either
        Assert.AreEqual(2, damped.Step(() => damped.Parameters.Members.Select(member => member.Parameter.mul(0).sum()).Aggregate(
            ones([]).mul(2), (sum, each) => sum + each)), 1e-6);
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

    private sealed record Plain : ClassificationLoss
    {
        public override Tensor PerSample(Tensor logits, Tensor labels) =>
            functional.cross_entropy(logits, labels, reduction: Reduction.None);
    }
}
