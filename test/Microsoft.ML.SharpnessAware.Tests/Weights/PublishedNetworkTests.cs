using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class PublishedNetworkTests
{
    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet8)]
    [DataRow(NetworkArchitecture.ResNet20)]
    [DataRow(NetworkArchitecture.ResNet56)]
    [DataRow(NetworkArchitecture.ResNet18)]
    [DataRow(NetworkArchitecture.MLNetResNet18)]
    [DataRow(NetworkArchitecture.ResNet34)]
    [DataRow(NetworkArchitecture.ResNet50)]
    [DataRow(NetworkArchitecture.WideResNet28x10)]
    [DataRow(NetworkArchitecture.VitTiny)]
    [DataRow(NetworkArchitecture.VitSmall)]
    [DataRow(NetworkArchitecture.ConvNet)]
    public void EveryBuiltInNetworkIsToldByItsTensors(string architecture)
    {
        using DisposeScope scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(architecture, 10, new(3, 32, 32));
        Dictionary<string, long[]> shapes = network.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.shape);
        Assert.AreEqual(architecture, PublishedNetwork.Recognise(shapes));
        Assert.AreEqual("", PublishedNetwork.Wrapper(shapes.Keys));
        Assert.AreEqual(3, PublishedNetwork.Stem(shapes)?[1]);
    }

    [TestMethod]
    public void OtherTensorsAreNoNetworkThatIsKnown()
    {
        Assert.IsNull(PublishedNetwork.Recognise(new Dictionary<string, long[]>()));
        Assert.IsNull(PublishedNetwork.Recognise(new Dictionary<string,
            long[]> { ["conv1.weight"] = [64, 3, 7, 7], ["fc.weight"] = [10, 512] }));
        Assert.IsNull(PublishedNetwork.Recognise(new Dictionary<string, long[]> { ["conv1.weight"] = [64] }));
    }

    [TestMethod]
    public void AScalarOfAKnownNameIsNoNetworkThatIsKnown()
    {
        Assert.IsNull(PublishedNetwork.Recognise(new Dictionary<string, long[]> { ["patch_embed.proj.weight"] = [], ["cls_token"] = [] }));
        Assert.IsNull(PublishedNetwork.Recognise(
            new Dictionary<string, long[]> { ["conv1.weight"] = [16, 3, 3, 3], ["block1.layer.1.conv1.weight"] = [] }));
    }

    [TestMethod]
    [DataRow("module.", new[] { "module.conv1.weight", "module.fc.bias" })]
    [DataRow("module.", new[] { "module.conv1.weight", "module.model_head.bias" })]
    [DataRow("_orig_mod.module.", new[] { "_orig_mod.module.conv1.weight" })]
    [DataRow("model.net.module._orig_mod.", new[] { "model.net.module._orig_mod.fc.weight", "model.net.module._orig_mod.fc.bias" })]
    [DataRow("net.net.net.net.net.net.net.net.", new[] { "net.net.net.net.net.net.net.net.net.fc.weight" })]
    [DataRow("net.", new[] { "net.", "net.net.fc.weight" })]
    [DataRow("", new[] { "module.conv1.weight", "fc.bias" })]
    [DataRow("", new string[0])]
    public void WhatAWrapperPutsBeforeAllNamesIsFound(string wrapper, string[] names) =>
        Assert.AreEqual(wrapper, PublishedNetwork.Wrapper(names));

    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet18, "ImageNet")]
    [DataRow(NetworkArchitecture.ResNet34, "ImageNet")]
    [DataRow(NetworkArchitecture.ResNet50, "ImageNet")]
    [DataRow(NetworkArchitecture.VitTiny, "mean (0.5, 0.5, 0.5), standard deviation (0.5, 0.5, 0.5)")]
    [DataRow(NetworkArchitecture.VitSmall, "mean (0.5, 0.5, 0.5), standard deviation (0.5, 0.5, 0.5)")]
    [DataRow(NetworkArchitecture.ResNet20, null)]
    public void TheUsualNormalizationIsThatOfTheFilesThatTheDocumentsName(string architecture, string? expected) =>
        Assert.AreEqual(expected, PublishedNetwork.UsualNormalization(architecture)?.ToString());

    [TestMethod]
    public void AForgottenArchAndTransformersNamesGetAdvice()
    {
        var resnet18 = new Dictionary<string, long[]>
        {
            ["conv1.weight"] = [64, 3, 7, 7],
        };
        foreach (string stage in new[] { "layer1", "layer2", "layer3", "layer4" })
            (resnet18[$"{stage}.0.conv1.weight"], resnet18[$"{stage}.1.conv1.weight"]) = ([1], [1]);
        Assert.AreEqual("This looks like 'resnet18': set Arch to it.", PublishedNetwork.Advice(resnet18, NetworkArchitecture.ResNet20));
        Assert.AreEqual("", PublishedNetwork.Advice(resnet18, "ResNet18"));
        StringAssert.Contains(
            PublishedNetwork.Advice(new Dictionary<string, long[]> { ["resnet.embedder.embedder.convolution.weight"] = [64, 3, 7, 7] },
                "resnet18"), "transformers");
        StringAssert.Contains(
            PublishedNetwork.Advice(new Dictionary<string, long[]> { ["vit.embeddings.cls_token"] = [1, 1, 192] }, "vit_tiny"), "timm");
    }
}
