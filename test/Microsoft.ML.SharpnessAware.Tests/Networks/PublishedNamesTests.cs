using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>The tensors of the published weight files, written down from torchvision's and timm's definitions of the networks.</summary>
[TestClass]
public sealed class PublishedNamesTests
{
    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet18, new[] { 2, 2, 2, 2 }, false, 122)]
    [DataRow(NetworkArchitecture.MLNetResNet18, new[] { 2, 2, 2, 3 }, false, 134)]
    [DataRow(NetworkArchitecture.ResNet34, new[] { 3, 4, 6, 3 }, false, 218)]
    [DataRow(NetworkArchitecture.ResNet50, new[] { 3, 4, 6, 3 }, true, 320)]
    public void ResNetsHaveTorchvisionsTensors(string name, int[] blocks, bool bottleneck, int count)
    {
        var expected = new List<string> { "conv1.weight [64, 3, 7, 7]" };
        BatchNorm("bn1", 64);
        int inputs = 64;
        for (int stage = 1; stage <= 4; stage++)
        {
            int width = 32 << stage, outputs = bottleneck ? 4 * width : width;
            for (int block = 0; block < blocks[stage - 1]; block++)
            {
                string prefix = $"layer{stage}.{block}";
                if (bottleneck)
                {
                    Convolution($"{prefix}.conv1", width, inputs, 1, $"{prefix}.bn1");
                    Convolution($"{prefix}.conv2", width, width, 3, $"{prefix}.bn2");
                    Convolution($"{prefix}.conv3", outputs, width, 1, $"{prefix}.bn3");
                }
                else
                {
                    Convolution($"{prefix}.conv1", width, inputs, 3, $"{prefix}.bn1");
                    Convolution($"{prefix}.conv2", width, width, 3, $"{prefix}.bn2");
                }
                if (block == 0 && (stage > 1 || bottleneck))
                    Convolution($"{prefix}.downsample.0", outputs, inputs, 1, $"{prefix}.downsample.1");
                inputs = outputs;
            }
        }
        expected.AddRange([$"fc.weight [1000, {inputs}]", "fc.bias [1000]"]);
        Assert.HasCount(count, expected, "the number of tensors in torchvision's file");
        CollectionAssert.AreEquivalent(expected, Tensors(name, new(3, 224, 224)));

        void Convolution(string convolution, int to, int from, int size, string norm)
        {
            expected.Add($"{convolution}.weight [{to}, {from}, {size}, {size}]");
            BatchNorm(norm, to);
        }

        void BatchNorm(string norm, int channels)
        {
            foreach (string part in new[] { "weight", "bias", "running_mean", "running_var" })
                expected.Add($"{norm}.{part} [{channels}]");
            expected.Add($"{norm}.num_batches_tracked []");
        }
    }

    [TestMethod]
    [DataRow(NetworkArchitecture.VitTiny, 192)]
    [DataRow(NetworkArchitecture.VitSmall, 384)]
    public void VisionTransformersHaveTimmsTensors(string name, int width)
    {
        var expected = new List<string>
        {
            $"cls_token [1, 1, {width}]", $"pos_embed [1, 197, {width}]",
            $"patch_embed.proj.weight [{width}, 3, 16, 16]", $"patch_embed.proj.bias [{width}]",
            $"norm.weight [{width}]", $"norm.bias [{width}]", $"head.weight [1000, {width}]", "head.bias [1000]",
        };
        for (int block = 0; block < 12; block++)
        {
            string prefix = $"blocks.{block}";
            expected.AddRange([
                $"{prefix}.norm1.weight [{width}]", $"{prefix}.norm1.bias [{width}]",
                $"{prefix}.attn.qkv.weight [{3 * width}, {width}]", $"{prefix}.attn.qkv.bias [{3 * width}]",
                $"{prefix}.attn.proj.weight [{width}, {width}]", $"{prefix}.attn.proj.bias [{width}]",
                $"{prefix}.norm2.weight [{width}]", $"{prefix}.norm2.bias [{width}]",
                $"{prefix}.mlp.fc1.weight [{4 * width}, {width}]", $"{prefix}.mlp.fc1.bias [{4 * width}]",
                $"{prefix}.mlp.fc2.weight [{width}, {4 * width}]", $"{prefix}.mlp.fc2.bias [{width}]",
            ]);
        }
        Assert.HasCount(152, expected, "the number of tensors in timm's file");
        CollectionAssert.AreEquivalent(expected, Tensors(name, new(3, 224, 224)));
    }

    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet8, "fc")]
    [DataRow(NetworkArchitecture.ResNet18, "fc")]
    [DataRow(NetworkArchitecture.ConvNet, "fc")]
    [DataRow(NetworkArchitecture.VitTiny, "head")]
    public void TheHeadIsFoundAndItsInputAreTheFeatures(string name, string head)
    {
        using DisposeScope scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(name, 5, new(3, 16, 16));
        network.eval();
        ClassificationHead found = ClassificationHead.Of(network, 5, name);
        Assert.AreEqual(head, found.Name);
        CollectionAssert.AreEquivalent(
            new[] { $"{head}.weight", $"{head}.bias" }, network.state_dict().Keys.Where(found.Owns).ToArray());

        Tensor images = randn(2, 3, 16, 16);
        Tensor features = found.Features(network.call, images);
        Assert.IsFalse(features.requires_grad);
        Assert.IsTrue(found.Layer.call(features).eq(network.call(images)).all().item<bool>());
    }

    private static string[] Tensors(string name, ImageShape input)
    {
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(name, 1000, input);
        return [.. network.state_dict().Select(entry => $"{entry.Key} [{string.Join(", ", entry.Value.shape)}]")];
    }
}
