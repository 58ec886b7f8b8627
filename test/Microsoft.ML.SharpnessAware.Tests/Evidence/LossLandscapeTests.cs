using MLSharpness.Evidence;
using MLSharpness.Evidence.Data;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Evidence;

[TestClass]
public sealed class LossLandscapeTests
{
    // One pixel x = 1 after normalisation, two classes and a linear layer without bias: logits (a, b), and with p = σ(a − b) the Hessian is
    // p(1 − p) [[1, −1], [−1, 1]], whose eigenvalues are 2p(1 − p) and 0.
    private const double A = 0.9, B = 0.4;

    [TestMethod]
    public void EigenvalueAndTraceAreThoseByHand()
    {
        using ImageClassifier classifier = Classifier();
        using var landscape = new LossLandscape(classifier, Image(), seed: 1);
        double p = 1 / (1 + Math.Exp(B - A));
        Assert.AreEqual(2 * p * (1 - p), landscape.LargestEigenvalue(20), 1e-5);
        // A sample is v·H·v = p(1 − p)(v₁ − v₂)²: 0 or 4p(1 − p), so that many are near the trace, 2p(1 − p).
        (double trace, double error) = landscape.Trace(400);
        Assert.AreEqual(2 * p * (1 - p), trace, 4 * error);
        Assert.IsLessThan(0.05, error);
    }

    [TestMethod]
    public void TheLossAlongADirectionIsTheLossInTheMiddleAndTheWeightsAreLeftAsTheyWere()
    {
        using ImageClassifier classifier = Classifier();
        using var landscape = new LossLandscape(classifier, Image(), seed: 1);
        double[] losses = landscape.LossAlongRandomDirection([-1, 0, 1]);
        Assert.AreEqual(Math.Log(1 + Math.Exp(B - A)), losses[1], 1e-6);
        Assert.AreNotEqual(losses[0], losses[1]);
        CollectionAssert.AreEqual(losses, LossesAgain());

        double[] LossesAgain()
        {
            using var again = new LossLandscape(classifier, Image(), seed: 1);
            return again.LossAlongRandomDirection([-1, 0, 1]);
        }
    }

    private static ImageSet Image() => new(new ImageShape(1, 1, 1), [[1]], [0], 2);

    private static ImageClassifier Classifier()
    {
        var layer = nn.Linear(1, 2, hasBias: false);
        using (no_grad())
        using (Tensor weights = tensor(new[] { (float)A, (float)B }).view(2, 1))
            layer.weight!.copy_(weights);
        var network = nn.Sequential(("flatten", nn.Flatten()), ("fc", layer));
        return new ImageClassifier("linear", network, CPU, new ImageShape(1, 1, 1), ScalarType.Byte,
            new Normalization(new([0], [1]), CPU), 2);
    }
}
