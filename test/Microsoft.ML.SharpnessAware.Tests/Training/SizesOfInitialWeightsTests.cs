using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

/// <summary>Sizes and grids of patches that a file of a vision transformer tells.</summary>
[TestClass]
public sealed class SizesOfInitialWeightsTests
{
    private static readonly MLContext MLContext = new(1);

    /// <summary>The size of a column counts where the file's patches can be cut of it; else the size that the file tells, or what is
    /// usual.</summary>
    [TestMethod]
    [DataRow(224, 150, 224)]
    [DataRow(224, 100, 224)]
    [DataRow(224, 160, 160)]
    [DataRow(32, 48, 48)]
    [DataRow(32, 30, 32)]
    [DataRow(32, 160, 32)]
    public void ASizeThatCannotBeCutIntoTheFilesPatchesIsNotKept(int trainedAt, int columnSide, int expected)
    {
        using DisposeScope scope = NewDisposeScope();
        var shape = new ImageShape(3, trainedAt, trainedAt);
        using var classifier = new ImageClassifier(
            NetworkArchitecture.VitTiny, NetworkArchitecture.Create(NetworkArchitecture.VitTiny, 2, shape), CPU, shape, ScalarType.Byte,
            new Normalization(new([100, 100, 100], [50, 50, 50], ScalarType.Byte), CPU), 2);
        using var folder = new TemporaryFolder();
        string path = folder.File("vit.safetensors");
        WeightsFile.Save(path, classifier, temperature: 1, ["a", "b"]);
        using InitialWeights file = InitialWeights.Read(MLContext, path, NetworkArchitecture.VitTiny)!;
        Assert.AreEqual((expected, expected), file.SizeFor(new ImageDataViewType(columnSide, columnSide), null, null));
        Assert.AreEqual((20, columnSide), file.SizeFor(new ImageDataViewType(columnSide, columnSide), 20, null), "what is asked for stays");
    }

    /// <summary>Of files that do not tell it, as most that others have published.</summary>
    [TestMethod]
    [DataRow(NetworkArchitecture.VitTiny, null, 224)]
    [DataRow(NetworkArchitecture.ResNet18, null, 128)]
    [DataRow(NetworkArchitecture.ResNet18, 20, 20)]
    public void PicturesOfAnySizeAreBroughtToWhatIsAskedForOrUsual(string architecture, int? height, int expected)
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        string path = folder.File("published.safetensors");
        using (FileStream stream = File.Create(path))
            SafetensorsFile.Write(stream, NetworkArchitecture.Create(architecture, 2, new(3, 224, 224)).state_dict());
        using InitialWeights file = InitialWeights.Read(MLContext, path, architecture)!;

        Assert.AreEqual((expected, expected), file.SizeFor(new VectorDataViewType(NumberDataViewType.Byte), null, height));
    }

    [TestMethod]
    public void TheSizeThatAFileTellsHasItsWidthAndItsHeight()
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        string path = folder.File("wide.safetensors");
        var shape = new ImageShape(3, 16, 24);
        using var classifier = new ImageClassifier(
            NetworkArchitecture.ConvNet, NetworkArchitecture.Create(NetworkArchitecture.ConvNet, 2, shape), CPU, shape, ScalarType.Byte,
            new Normalization(new([100, 100, 100], [50, 50, 50], ScalarType.Byte), CPU), 2);
        WeightsFile.Save(path, classifier, temperature: 1, ["a", "b"]);
        using InitialWeights file = InitialWeights.Read(MLContext, path, NetworkArchitecture.ConvNet)!;

        Assert.AreEqual((24, 16), file.SizeFor(new VectorDataViewType(NumberDataViewType.Byte), null, null));
    }

    [TestMethod]
    public void TheGridOfPatchesIsThatOfTheImagesThatTheFileTellsOf()
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        string path = folder.File("wide.safetensors");
        ImageShape wide = new(1, 16, 64), tall = new(1, 64, 16);
        using var classifier = new ImageClassifier(
            NetworkArchitecture.VitTiny, NetworkArchitecture.Create(NetworkArchitecture.VitTiny, 2, wide), CPU, wide, ScalarType.Byte,
            new Normalization(new([100], [50], ScalarType.Byte), CPU), 2);
        Tensor positions = classifier.Network.state_dict()["pos_embed"];
        using (no_grad())
            positions.copy_(arange(positions.shape[1]).view(1, -1, 1).expand_as(positions));
        WeightsFile.Save(path, classifier, temperature: 1, ["a", "b"]);
        using InitialWeights file = InitialWeights.Read(MLContext, path, NetworkArchitecture.VitTiny)!;

        foreach (ImageShape shape in new[] { wide, tall })
        {
            using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(NetworkArchitecture.VitTiny, 2, shape);
            file.CopyTo(network, 2, shape, channel: null);
            Assert.AreEqual(shape == wide, TestNets.Same(positions, network.state_dict()["pos_embed"]));
        }

        foreach (string odd in new[] { "", "224", "3,224", "3,224,224,1", "3,-1,224", "3,0,224", "3,224,99999999999", "a,b,c" })
            Assert.IsNull(WeightsFile.ReadShape(new Dictionary<string, string> { ["input_size"] = odd }), odd);
    }
}
