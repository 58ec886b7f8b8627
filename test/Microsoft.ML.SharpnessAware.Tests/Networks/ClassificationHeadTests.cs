using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class ClassificationHeadTests
{
    /// <summary>As many classes as the network is wide: inner layers have as many outputs, too.</summary>
    [TestMethod]
    public void TheHeadIsTheLastLayerOfAsManyOutputsAsClasses()
    {
        const int Width = 192;
        using DisposeScope scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(NetworkArchitecture.VitTiny, Width, new(3, 16, 16));

        Assert.AreEqual("head", ClassificationHead.Find(network, Width)!.Name);
    }
}
