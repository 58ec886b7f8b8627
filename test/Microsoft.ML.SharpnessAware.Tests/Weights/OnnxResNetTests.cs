using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class OnnxResNetTests
{
    private const int Width = 2;

    [TestMethod]
    public void TheTensorsHaveTheNetworksNamesAndValues()
    {
        using DisposeScope scope = NewDisposeScope();
        OnnxGraph graph = OnnxGraph.Read(OnnxFile.SmallResNet(Width).ToBytes());
        Dictionary<string, Tensor> tensors = OnnxResNet.Read(graph, Width);

        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(NetworkArchitecture.MLNetResNet18, 10, new(3, 32, 32));
        string[] expected = [.. network.state_dict().Keys.Where(name => !name.StartsWith("fc.") && !name.EndsWith("num_batches_tracked"))];
        CollectionAssert.AreEquivalent(expected, tensors.Keys);
        Assert.AreEqual("Tests", graph.Producer);
        AssertSame("layer4.0.conv1.weight", "layer4.0.conv1.weight");
        AssertSame("layer4.0.downsample.0.weight", "layer4.0.downsample.weight");
        AssertSame("layer4.2.bn2.running_var", "layer4.2.conv2.variance");
        AssertSame("layer4.2.bn2.running_mean", "layer4.2.conv2.mean");
        AssertSame("bn1.weight", "conv1.scale");
        AssertSame("bn1.bias", "conv1.bias");
        Tensor stem = graph.Constants["conv1.weight"].ToTensor(Width, 3, 7, 7);
        Assert.IsTrue(tensors["conv1.weight"].select(1, 0).eq(stem.select(1, 2)).all().item<bool>(), "red is the file's third channel");

        void AssertSame(string name, string constant) => Assert.IsTrue(
            tensors[name].eq(graph.Constants[constant].ToTensor(tensors[name].shape)).all().item<bool>(), $"{name}");
    }

    [TestMethod]
    public void TheOrderOfOperatorsAndOfWhatIsAddedDoesNotMatter()
    {
        OnnxFile file = OnnxFile.SmallResNet(Width);
        file.Nodes.Reverse();
        using DisposeScope scope = NewDisposeScope();
        Assert.HasCount(OnnxResNet.Read(OnnxGraph.Read(OnnxFile.SmallResNet(Width).ToBytes()), Width).Count,
            OnnxResNet.Read(OnnxGraph.Read(file.ToBytes()), Width));
    }

    /// <summary>What a later package, another exporter or another network could have.</summary>
    [TestMethod]
    [DataRow("another epsilon", "epsilon")]
    [DataRow("other pads", "padding 1 before and 0 after")]
    [DataRow("a bias", "has a bias or groups")]
    [DataRow("another stride", "stride 2")]
    [DataRow("a leaf is missing", "one Relu is expected")]
    [DataRow("a block less", "layer4.2 begins with AveragePool")]
    [DataRow("two inputs", "2 inputs")]
    [DataRow("wider", "[3, 3, 7, 7]")]
    [DataRow("in another file", "in another file")]
    [DataRow("an input for a constant", "'layer1.0.conv1.mean' is not a constant")]
    [DataRow("another shortcut", "does not add up layer1.1")]
    public void AGraphOfAnotherStructureIsRefusedAndSaysWhere(string what, string words)
    {
        using DisposeScope scope = NewDisposeScope();
        byte[] file = Changed(what);
        InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(
            () => OnnxResNet.Read(OnnxGraph.Read(file), what == "wider" ? Width + 1 : Width));
        StringAssert.Contains(exception.Message, words);
        StringAssert.Contains(exception.Message, "Microsoft.ML.DnnImageFeaturizer.ResNet18 0.23.1");
        StringAssert.Contains(exception.Message, "safetensors");
    }

    [TestMethod]
    public void AGraphOfSomethingElseIsNamed()
    {
        byte[] file = new OnnxFile { Producer = "pytorch" }.Node("Gemm", ["input", "w"], "output").Constant("w", [2, 2], new float[4])
            .ToBytes();
        using DisposeScope scope = NewDisposeScope();
        InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(() => OnnxResNet.Read(OnnxGraph.Read(file)));
        StringAssert.Contains(exception.Message, "of pytorch, 1 operators");
        StringAssert.Contains(exception.Message, "after 'input' comes Gemm 'Gemm of output', and one Conv is expected");
    }

    private static byte[] Changed(string what)
    {
        OnnxFile file = OnnxFile.SmallResNet(Width);
        long[] three = [3, 3], one = [1, 1], pads = [1, 1, 1, 1];
        switch (what)
        {
            case "another epsilon":
                Replace("layer2.0.conv1.norm", "BatchNormalization",
                    ["layer2.0.conv1", .. new[] { "scale", "bias", "mean", "variance" }.Select(part => $"layer2.0.conv1.{part}")],
                        ("epsilon", 1e-3f));
                break;
            case "other pads":
                Replace("layer3.0.conv1", "Conv", ["layer2.1.relu2", "layer3.0.conv1.weight"],
                    ("kernel_shape", three), ("strides", new long[] { 2, 2 }), ("pads", pads));
                break;
            case "a bias":
                Replace("layer1.1.conv1", "Conv", ["layer1.0.relu2", "layer1.1.conv1.weight", "layer1.1.conv1.bias"],
                    ("kernel_shape", three), ("strides", one), ("pads", pads));
                break;
            case "another stride":
                Replace("layer2.0.conv1", "Conv", ["layer1.1.relu2", "layer2.0.conv1.weight"], ("kernel_shape", three), ("strides", one),
                    ("pads", pads));
                break;
            case "a leaf is missing":
                Replace("layer1.0.relu1", "LeakyRelu", ["layer1.0.conv1.norm"]);
                break;
            case "a block less":
                Replace("output", "AveragePool", ["layer4.1.relu2"], ("kernel_shape", new long[] { 7, 7 }));
                file.Nodes.RemoveAll(node => OnnxNodes(node).Any(name => name.StartsWith("layer4.2", StringComparison.Ordinal)));
                break;
            case "two inputs":
                file.Inputs = ["input", "other"];
                break;
            case "in another file":
                file.Constants[0] = [.. file.Constants[0], (13 << 3) | 2, 0];
                break;
            case "an input for a constant":
                file.Constants.RemoveAll(constant => System.Text.Encoding.Latin1.GetString(constant)
                    .EndsWith("layer1.0.conv1.mean", StringComparison.Ordinal));
                break;
            case "another shortcut":
                Replace("layer1.1.sum", "Add", ["layer1.1.conv2.norm", "pool"]);
                break;
        }

        return file.ToBytes();

        void Replace(string output, string type, string[] inputs, params (string, object)[] attributes)
        {
            int index = file.Nodes.FindIndex(node => OnnxNodes(node)[^1] == output);
            file.Nodes[index] = new OnnxFile().Node(type, inputs, output, attributes).Nodes[0];
        }
    }

    /// <summary>The names of an operator's inputs, then of its output.</summary>
    private static string[] OnnxNodes(byte[] node)
    {
        var names = new List<string>();
        var reader = new ProtobufReader(node);
        while (reader.MoveNext())
        {
            if (reader.Field <= 2)
                names.Add(System.Text.Encoding.UTF8.GetString(reader.Bytes));
        }

        return [.. names];
    }
}
