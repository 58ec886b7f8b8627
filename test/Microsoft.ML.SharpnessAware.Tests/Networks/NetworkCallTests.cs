using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A failure inside a network says which network, which input and which layer, and not where in libtorch it was.</summary>
[TestClass]
public sealed class NetworkCallTests
{
    [TestMethod]
    public void ALayerThatDoesNotFitIsNamed()
    {
        using DisposeScope scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> network = nn.Sequential(
            ("body", nn.Sequential(("conv", nn.Conv2d(3, 4, 3)), ("flatten", nn.Flatten()))), ("fc", nn.Linear(144, 2)));
        using (NetworkCall.Run(network, "mine", zeros(2, 3, 8, 8)))
        {
        }
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => NetworkCall.Run(network, "mine", zeros(2, 3, 9, 8)));
        StringAssert.StartsWith(
            e.Message, "Network 'mine' cannot take an input of shape [2, 3, 9, 8] (batch, channels, height, width), in its layer 'fc' " +
                "(Linear): ");
        Assert.DoesNotContain("frame #", e.Message);
        Assert.DoesNotContain("Exception raised", e.Message);
        Assert.IsInstanceOfType<ExternalException>(e.InnerException);
        e = Assert.ThrowsExactly<InvalidOperationException>(() => NetworkCall.Run(network, "mine", zeros(2, 1, 8, 8)));
        StringAssert.Contains(e.Message, "'body.conv' (Conv2d)");
    }

    [TestMethod]
    public void AFailureOfTheNetworkItselfHasNoLayer()
    {
        using DisposeScope scope = NewDisposeScope();
        using var network = new Choosy();
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => NetworkCall.Run(network, "choosy", zeros(2, 3)));
        Assert.AreEqual("Network 'choosy' cannot take an input of shape [2, 3] (batch, channels, height, width): not this one", e.Message);
        // What is not about the input comes out as it is.
        Assert.ThrowsExactly<TimeoutException>(() => NetworkCall.Run(network, "choosy", zeros(2, 4)));
    }

    /// <summary>One thread scores an image that the network refuses, others images that it takes.</summary>
    [TestMethod]
    public void AnImageThatTheNetworkRefusesDisturbsNoOtherThread()
    {
        NetworkArchitecture.Register("network-call-no-white", classes => nn.Sequential(
            ("refuse", new RefusesWhite()), ("flatten", nn.Flatten()), ("fc", nn.Linear(144, classes))));
        using SharpnessAwareImageClassificationTransformer model = Train("network-call-no-white");
        using ImageClassifier classifier = model.Classifier.Share();
        using Tensor white = full([1, 1, 12, 12], 255, ScalarType.Byte, CPU), black = zeros([1, 1, 12, 12], ScalarType.Byte, CPU);
        Parallel.For(0, 4, thread =>
        {
            float[] probabilities = new float[classifier.NumberOfClasses];
            for (int i = 0; i < 500; i++)
            {
                if (thread == 0)
                    Assert.ThrowsExactly<InvalidOperationException>(() => classifier.Probabilities(white, 1, probabilities));
                else
                    classifier.Probabilities(black, 1, probabilities);
            }
        });
    }

    [TestMethod]
    public void ARegisteredNetworkOfAnotherInputSizeIsNamedByTheTrainer()
    {
        NetworkArchitecture.Register("network-call-tests", classes =>
            nn.Sequential(("flatten", nn.Flatten()), ("fc", nn.Linear(784, classes))));
        InvalidOperationException e = Assert.ThrowsExactly<InvalidOperationException>(() => Train("network-call-tests"));
        StringAssert.Contains(e.Message, "Network 'network-call-tests' cannot take an input of shape [");
        StringAssert.Contains(e.Message, "in its layer 'fc' (Linear)");
    }

    [TestMethod]
    public void ASoftmaxAndAChangeInPlaceAreFoundByTheTrainer()
    {
        NetworkArchitecture.Register("network-call-softmax", (classes, channels, height, width) => nn.Sequential(
            nn.Flatten(), nn.Linear(channels * height * width, classes), nn.Softmax(1)));
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(() => Train("network-call-softmax")).Message,
                "The network gives probabilities");
        NetworkArchitecture.Register("network-call-in-place", (classes, channels, height, width) => nn.Sequential(
            nn.ReLU(inplace: true), nn.Flatten(), nn.Linear(channels * height * width, classes)));
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(() => Train("network-call-in-place")).Message, "changes its input in place");
    }

    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet18, 8, 8, true)]
    [DataRow("ResNet50", 64, 31, true)]
    [DataRow(NetworkArchitecture.ResNet18, 32, 32, false)]
    [DataRow(NetworkArchitecture.ResNet8, 8, 8, false)]
    [DataRow("network-call-unknown", 8, 8, false)]
    public void NetworksForPhotographsWarnOfSmallImages(string name, int height, int width, bool warns) =>
        Assert.AreEqual(warns, NetworkArchitecture.Advice(name, new ImageShape(3, height, width)) is not null);

    private static SharpnessAwareImageClassificationTransformer Train(string arch)
    {
        var context = new MLContext(1);
        return Fitted.Model(context, Fitted.View(context, Shapes.Pixels(12)), options => options.Arch = arch);
    }

    private sealed class RefusesWhite() : nn.Module<Tensor, Tensor>(nameof(RefusesWhite))
    {
        public override Tensor forward(Tensor input)
        {
            using Tensor darkest = input.min();
            return darkest.item<float>() > 0 ? throw new ArgumentException("too white") : input.alias();
        }
    }

    private sealed class Choosy() : nn.Module<Tensor, Tensor>(nameof(Choosy))
    {
        public override Tensor forward(Tensor input) =>
            input.shape[1] == 3 ? throw new ArgumentException("not this one") : throw new TimeoutException();
    }
}
