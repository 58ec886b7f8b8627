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
    public void AScriptWhichLoadsTheLibraryFromItsPackageFindsTheFileInThePackageBesideIt()
    {
        using var empty = new TemporaryFolder();
        using var packages = new TemporaryFolder();
        string Find(string library) => PretrainedWeights.Find(NetworkArchitecture.MLNetResNet18, empty.Path, packages.File(library))!;
        const string Library = "mlsharpness/0.2.0/lib/net10.0";
        Assert.IsNull(Find(Library), "the package of weights is not there yet");
        string older = Weights("0.9.2"), newer = Weights("0.23.1");

        Assert.AreEqual(newer, Find(Library));
        Assert.IsNull(Find("bin/Release/net10.0"), "an application has its own");
        Assert.AreEqual(OnnxFile.ResNet18, PretrainedWeights.Find(NetworkArchitecture.MLNetResNet18, AppContext.BaseDirectory,
            packages.File(Library)), "what lies beside the application comes first");
        File.Delete(newer);
        Assert.AreEqual(older, Find(Library));

        string Weights(string version)
        {
            string file = packages.File(
                $"microsoft.ml.dnnimagefeaturizer.resnet18/{version}/tools/DnnImageModels/ResNet18Onnx/ResNet18.onnx");
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, "");
            return file;
        }
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
