namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class PretrainedWeightsTests
{
    [TestMethod]
    public void ThePackagesFileIsFoundBesideTheApplication()
    {
        Assert.AreEqual(OnnxFile.ResNet18, PretrainedWeights.Find(NetworkArchitecture.MLNetResNet18));
        Assert.AreEqual(OnnxFile.ResNet18, PretrainedWeights.Find("MLNet_ResNet18"), "names are not case-sensitive");
    }

    [TestMethod]
    public void ThereIsNothingForOtherNetworksOrElsewhere()
    {
        Assert.IsNull(PretrainedWeights.Find(NetworkArchitecture.ResNet18));
        Assert.IsNull(PretrainedWeights.Find("a network of one's own"));
        using var folder = new TemporaryFolder();
        Assert.IsNull(PretrainedWeights.Find(NetworkArchitecture.MLNetResNet18, folder.Path));
        Assert.ThrowsExactly<ArgumentException>(() => PretrainedWeights.Find(" "));
    }
}
