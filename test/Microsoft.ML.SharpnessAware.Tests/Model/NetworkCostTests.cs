using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class NetworkCostTests
{
    [TestMethod]
    public void ConvolutionsAndLinearLayersAreCountedAndLeftAsTheyWere()
    {
        using DisposeScope scope = NewDisposeScope();
        var shape = new ImageShape(1, 8, 8);
        using var classifier = new ImageClassifier(
            NetworkArchitecture.ConvNet, NetworkArchitecture.Create(NetworkArchitecture.ConvNet, 2, shape), CPU, shape, ScalarType.Byte,
            new Normalization(new([100], [50], ScalarType.Byte), CPU), 2);

        // Outputs, each of so many products: of 64 pixels, of 16, of 4, and of the classes.
        Assert.AreEqual((32 * 64 * 9) + (64 * 16 * 288) + (128 * 4 * 576) + (2 * 128), NetworkCost.OfOneImage(classifier));
        Assert.IsTrue(classifier.Network.modules().All(module => LayerHooks.Count(module) == 0));
    }
}
