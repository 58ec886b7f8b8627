using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class ClassificationLossTests
{
    // Two rows whose probabilities are (0.7, 0.2, 0.1) and (0.1, 0.3, 0.6); labels 0 and 1.
    private static Tensor Logits() => tensor(new[,] { { 0.7, 0.2, 0.1 }, { 0.1, 0.3, 0.6 } }).log() + 5;

    private static Tensor Labels() => tensor(new[] { 0L, 1L });

    private static double[] PerSample(ClassificationLoss loss)
    {
        using DisposeScope scope = NewDisposeScope();
        return [.. loss.PerSample(Logits(), Labels()).data<double>()];
    }

    private static void AreClose(double[] expected, double[] actual, double tolerance = 1e-12)
    {
        Assert.HasCount(expected.Length, actual);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], tolerance);
    }

    [TestMethod]
    public void CrossEntropyIsMinusLogOfTheTrueClass() =>
        AreClose([-Math.Log(0.7), -Math.Log(0.3)], PerSample(new ClassificationLoss.CrossEntropy()));

    [TestMethod]
    public void LabelSmoothingSpreadsPartOfTheTargetOverAllClasses() => AreClose(
        [
            -(0.7 * Math.Log(0.7) + 0.1 * (Math.Log(0.7) + Math.Log(0.2) + Math.Log(0.1))),
            -(0.7 * Math.Log(0.3) + 0.1 * (Math.Log(0.1) + Math.Log(0.3) + Math.Log(0.6))),
        ],
        PerSample(new ClassificationLoss.CrossEntropy(0.3)));

    [TestMethod]
    public void FocalLossWeighsByOneMinusPToTheGamma()
    {
        AreClose([-0.09 * Math.Log(0.7), -0.49 * Math.Log(0.3)], PerSample(new ClassificationLoss.Focal()));
        AreClose([-Math.Sqrt(0.3) * Math.Log(0.7), -Math.Sqrt(0.7) * Math.Log(0.3)], PerSample(new ClassificationLoss.Focal(0.5)));
        AreClose(PerSample(new ClassificationLoss.CrossEntropy()), PerSample(new ClassificationLoss.Focal(0)));
    }

    [TestMethod]
    [DataRow(0.0)]
    [DataRow(0.3)]
    [DataRow(2.0)]
    public void LossesAndGradientsAreFiniteForExtremeLogits(double gamma)
    {
        foreach (ScalarType type in new[] { ScalarType.Float32, ScalarType.Float64 })
        {
            foreach (ClassificationLoss loss in new ClassificationLoss[]
                { new ClassificationLoss.CrossEntropy(), new ClassificationLoss.CrossEntropy(0.1), new ClassificationLoss.Focal(gamma) })
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor logits = tensor(new[,] { { 1e5, -1e5, 0 }, { 1e5, -1e5, 0 }, { 300, 0, 0 } }).to(type).requires_grad_();
                Tensor labels = tensor(new[] { 0L, 1L, 0L });
                Tensor value = (loss.PerSample(logits, labels) * CalibratedFactor.PerSample(logits, labels, gamma)).mean();
                value.backward();
                Assert.IsTrue(double.IsFinite(value.ToDouble()), $"{loss}, {type}");
                Assert.IsTrue(logits.grad!.isfinite().all().item<bool>(), $"{loss}, {type}");
            }
        }
    }

    [TestMethod]
    public void NoLabelIsSilentlyIgnored()
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.Throws<Exception>(() => new ClassificationLoss.CrossEntropy().PerSample(Logits(), tensor(new[] { 0L, -100L })));
    }

    [TestMethod]
    public void SettingsOutOfRangeAreRejected()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new ClassificationLoss.CrossEntropy(1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new ClassificationLoss.CrossEntropy() with { LabelSmoothing = -0.1 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new ClassificationLoss.Focal(-1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new ClassificationLoss.Focal() with { Gamma = double.NaN });
    }
}
