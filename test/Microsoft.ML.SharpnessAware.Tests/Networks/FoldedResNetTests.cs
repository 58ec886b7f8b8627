using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class FoldedResNetTests
{
    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet18, 64, 64)]
    [DataRow(NetworkArchitecture.ResNet50, 64, 33)]
    [DataRow(NetworkArchitecture.MLNetResNet18, 64, 96)]
    [DataRow(NetworkArchitecture.MLNetResNet18, 67, 45)]
    public void FeaturesAreThoseOfTheNetworkItself(string name, int height, int width)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        var random = new TorchRandom(seed: 3);
        using nn.Module<Tensor, Tensor> network = random.Draw(() => NetworkArchitecture.Create(name, 4, new(3, height, width)));
        // Statistics and scales unlike those that a new network has, as training leaves them.
        foreach ((string parameter, Tensor tensor) in network.state_dict())
        {
            if (parameter.EndsWith("running_var", StringComparison.Ordinal)
                || (parameter.EndsWith("weight", StringComparison.Ordinal) && tensor.dim() == 1))
                tensor.copy_(random.Draw(() => rand_like(tensor).add(FixedScalars.Half, FixedScalars.One)));
            else if (parameter.EndsWith("running_mean", StringComparison.Ordinal)
                || (parameter.EndsWith("bias", StringComparison.Ordinal) && tensor.dim() == 1))
                tensor.copy_(random.Draw(() => rand_like(tensor).mul(FixedScalars.Half)));
        }

        network.eval();
        Tensor images = random.Draw(() => randn(3, 3, height, width));
        ClassificationHead head = ClassificationHead.Of(network, 4, name);
        Tensor expected = head.Features(network.call, images);
        using FoldedResNet folded = ((ResNet)network).FoldBackbone();
        Tensor actual = folded.Run(images);
        CollectionAssert.AreEqual(expected.shape, actual.shape);
        double scale = expected.abs().max().item<float>();
        Assert.IsGreaterThan(0.01, scale);
        Assert.IsLessThan(1e-4 * scale, (double)expected.subtract(actual).abs().max().item<float>());
        random.Dispose();
    }
}
