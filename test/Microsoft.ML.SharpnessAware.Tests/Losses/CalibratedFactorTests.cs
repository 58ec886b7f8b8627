using CsCheck;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class CalibratedFactorTests
{
    private static readonly ClassificationLoss CrossEntropy = new ClassificationLoss.CrossEntropy();

    private static Tensor Calibrated(Tensor logits, Tensor labels, double gamma) =>
        CrossEntropy.PerSample(logits, labels) * CalibratedFactor.PerSample(logits, labels, gamma);

    [TestMethod]
    public void LossIsDampedAboveOneHalfOnly()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor logits = tensor(new[,] { { 0.8, 0.2 }, { 0.8, 0.2 }, { 0.5, 0.5 } }).log();
        double[] loss = [.. Calibrated(logits, tensor(new[] { 0L, 1L, 0L }), 1.5).data<double>()];

        Assert.AreEqual(-Math.Pow(1.8, -1.5) * Math.Log(0.8), loss[0], 1e-12);
        Assert.AreEqual(-Math.Log(0.2), loss[1], 1e-12);
        Assert.AreEqual(-Math.Log(0.5), loss[2], 1e-12);
    }

    [TestMethod]
    public void GradientIsThatOfFiniteDifferences() =>
        Gen.Select(Gen.Double[-4, 4].Array[6], Gen.Double[0.01, 2], Gen.Int[0, 2].Array[2]).Sample((values, gamma, classes) =>
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor labels = tensor(classes.Select(c => (long)c).ToArray());
            double Loss(double[] v) => Calibrated(tensor(v).view(2, 3), labels, gamma).mean().item<double>();

            // At p = ½ the loss jumps, and a difference quotient across the jump means nothing.
            double[] p = [.. ClassificationLoss.TrueClassLogProbability(tensor(values).view(2, 3), labels).exp().data<double>()];
            if (p.Any(x => Math.Abs(x - 0.5) < 1e-4))
                return;

            Tensor logits = tensor(values, requires_grad: true);
            Calibrated(logits.view(2, 3), labels, gamma).mean().backward();
            double[] gradient = [.. logits.grad!.data<double>()];
            const double h = 1e-5;
            for (int i = 0; i < values.Length; i++)
            {
                double[] up = [.. values], down = [.. values];
                up[i] += h;
                down[i] -= h;
                Assert.AreEqual((Loss(up) - Loss(down)) / (2 * h), gradient[i], 1e-8);
            }
        }, iter: 100, threads: 1);

    [TestMethod]
    public void FactorLiesBetweenTwoToTheMinusGammaAndOne() =>
        Gen.Select(Gen.Double[-1e6, 1e6].Array[3], Gen.Double[0, 2]).Sample((values, gamma) =>
        {
            using DisposeScope scope = NewDisposeScope();
            double factor = CalibratedFactor.PerSample(tensor(values).view(1, 3), tensor(new[] { 1L }), gamma).item<double>();
            Assert.IsInRange(Math.Pow(2, -gamma) - 1e-12, 1, factor);
        }, iter: 200, threads: 1);
}
