using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Build;

[TestClass]
public sealed class NativeBackendTests
{
    [TestMethod]
    public void TorchSharpLoadsAndComputesOnThisSystem()
    {
        using Tensor two = tensor(2.0);
        using Tensor four = two.square();
        Assert.AreEqual(4.0, four.item<double>());
    }
}
