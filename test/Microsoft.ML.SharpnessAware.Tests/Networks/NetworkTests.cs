using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class NetworkTests
{
    private static readonly string[] SmallNetworks =
    [
        NetworkArchitecture.ResNet8, NetworkArchitecture.ResNet20, NetworkArchitecture.ConvNet, NetworkArchitecture.VitTiny,
    ];

    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet8, 10, 3, 32, 75_290L)]
    [DataRow(NetworkArchitecture.ResNet20, 10, 3, 32, 269_722L)]
    [DataRow(NetworkArchitecture.ResNet56, 10, 3, 32, 853_018L)]
    [DataRow(NetworkArchitecture.ResNet18, 1000, 3, 64, 11_689_512L)]
    [DataRow(NetworkArchitecture.ResNet34, 1000, 3, 32, 21_797_672L)]
    [DataRow(NetworkArchitecture.ResNet50, 1000, 3, 32, 25_557_032L)]
    [DataRow(NetworkArchitecture.WideResNet28x10, 10, 3, 32, 36_479_194L)]
    [DataRow(NetworkArchitecture.VitTiny, 1000, 3, 224, 5_717_416L)]
    [DataRow(NetworkArchitecture.VitSmall, 1000, 3, 224, 22_050_664L)]
    [DataRow(NetworkArchitecture.ConvNet, 10, 3, 28, 94_762L)]
    public void TheNetworkHasThePublishedNumberOfParametersAndGivesLogits(
        string name, int numberOfClasses, int channels, int size, long parameters)
    {
        using DisposeScope scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(name, numberOfClasses, new(channels, size, size));
        Assert.AreEqual(parameters, network.parameters().Sum(parameter => parameter.NumberOfElements));

        network.eval();
        using IDisposable noGradient = no_grad();
        using Tensor logits = network.call(randn(1, channels, size, size));
        CollectionAssert.AreEqual(new long[] { 1, numberOfClasses }, logits.shape);
        Assert.IsTrue(logits.isfinite().all().item<bool>());
    }

    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet8, 1, 28, 28)]
    [DataRow(NetworkArchitecture.ResNet8, 4, 33, 47)]
    [DataRow(NetworkArchitecture.ResNet8, 3, 1, 1)]
    [DataRow(NetworkArchitecture.ResNet18, 1, 28, 28)]
    [DataRow(NetworkArchitecture.ResNet18, 3, 65, 40)]
    [DataRow(NetworkArchitecture.ResNet18, 3, 1, 1)]
    [DataRow(NetworkArchitecture.ConvNet, 1, 28, 28)]
    [DataRow(NetworkArchitecture.ConvNet, 3, 64, 51)]
    [DataRow(NetworkArchitecture.ConvNet, 3, 4, 4)]
    [DataRow(NetworkArchitecture.VitTiny, 1, 28, 28)]
    [DataRow(NetworkArchitecture.VitTiny, 3, 4, 8)]
    [DataRow(NetworkArchitecture.VitTiny, 3, 112, 128)]
    public void TheNetworkTakesImagesOfThisShape(string name, int channels, int height, int width)
    {
        using DisposeScope scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(name, 7, new(channels, height, width));
        network.eval();
        using Tensor logits = network.call(randn(2, channels, height, width));
        CollectionAssert.AreEqual(new long[] { 2, 7 }, logits.shape);
        Assert.IsTrue(logits.isfinite().all().item<bool>());
    }

    [TestMethod]
    [DataRow(NetworkArchitecture.VitTiny, 30, 32, "multiples of 4; these are 32×30. 32×32 is")]
    [DataRow(NetworkArchitecture.VitSmall, 224, 120, "multiples of 16; these are 120×224. 128×224 is")]
    [DataRow(NetworkArchitecture.VitTiny, 110, 150, "multiples of 4; these are 150×110. 160×112 is")]
    [DataRow(NetworkArchitecture.VitTiny, 107, 150, "multiples of 4; these are 150×107. 152×108 is")]
    [DataRow(NetworkArchitecture.ConvNet, 32, 3, "at least 4×4 pixels; these have 3×32")]
    public void AnImageSizeThatTheNetworkCannotTakeIsNamed(string name, int height, int width, string message)
    {
        ArgumentException exception = Assert.ThrowsExactly<ArgumentException>(
            () => NetworkArchitecture.Create(name, 10, new(3, height, width)));
        StringAssert.Contains(exception.Message, message);
    }

    [TestMethod]
    public void PatchesAre16PixelsFrom112PixelsOnAnd4Below()
    {
        Assert.AreEqual(1 + 49, Positions(112, 112));
        Assert.AreEqual(1 + 27 * 27, Positions(108, 108));
        Assert.AreEqual(1 + 56 * 27, Positions(224, 108));

        static long Positions(int height, int width)
        {
            using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(NetworkArchitecture.VitTiny, 2, new(1, height, width));
            return network.state_dict()["pos_embed"].shape[1];
        }
    }

    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet8)]
    [DataRow(NetworkArchitecture.ResNet18)]
    [DataRow(NetworkArchitecture.ConvNet)]
    [DataRow(NetworkArchitecture.VitTiny)]
    public void TheSameSeedGivesTheSameWeights(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> first = Weights(1), again = Weights(1), other = Weights(2);
        foreach ((string key, Tensor weight) in first)
            Assert.IsTrue(AreIdentical(weight, again[key]), key);
        Assert.IsFalse(first.Values.Zip(other.Values).All(pair => AreIdentical(pair.First, pair.Second)));

        Dictionary<string, Tensor> Weights(long seed)
        {
            random.manual_seed(seed);
            using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(name, 10, new(3, 16, 16));
            return ModuleWeights.Of(network).ToDictionary(entry => entry.Key, entry => entry.Value.clone());
        }
    }

    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet20, "layer2.0.conv2.weight", 32 * 9)]
    [DataRow(NetworkArchitecture.ResNet18, "layer2.0.downsample.0.weight", 128)]
    [DataRow(NetworkArchitecture.ConvNet, "conv3.weight", 128 * 9)]
    public void ConvolutionsStartAsHeSaysFromFanOut(string name, string weight, int fanOut)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(5);
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(name, 10, new(3, 32, 32));
        Tensor values = network.state_dict()[weight];
        double expected = Math.Sqrt(2.0 / fanOut);
        Assert.AreEqual(expected, values.std().item<float>(), 0.05 * expected);
        Assert.AreEqual(0, values.mean().item<float>(), 0.05 * expected);
        Assert.IsGreaterThan(2.5 * expected, values.max().item<float>(), "a uniform distribution ends at 1.73 deviations");
    }

    [TestMethod]
    public void TheVisionTransformerStartsAsInTimm()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(5);
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(NetworkArchitecture.VitTiny, 10, new(3, 32, 32));
        Dictionary<string, Tensor> weights = network.state_dict();
        foreach (string name in new[] { "pos_embed", "blocks.3.attn.qkv.weight", "blocks.11.mlp.fc2.weight", "head.weight" })
            Assert.AreEqual(0.02, weights[name].std().item<float>(), 0.001, name);
        Assert.AreEqual(1e-6, weights["cls_token"].std().item<float>(), 2e-7);
        foreach (string name in new[] { "blocks.0.attn.proj.bias", "blocks.0.mlp.fc1.bias", "head.bias", "norm.bias" })
            Assert.AreEqual(0, weights[name].abs().max().item<float>(), name);
    }

    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet8)]
    [DataRow(NetworkArchitecture.ResNet18)]
    [DataRow(NetworkArchitecture.ConvNet)]
    [DataRow(NetworkArchitecture.VitTiny)]
    public void TheGradientReachesEveryParameter(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(3);
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(name, 5, new(3, 48, 48));
        nn.functional.cross_entropy(network.call(randn(3, 3, 48, 48)), tensor(new long[] { 0, 3, 4 })).backward();
        foreach ((string parameterName, TorchSharp.Modules.Parameter parameter) in network.named_parameters())
        {
            Assert.IsNotNull(parameter.grad, parameterName);
            Assert.IsGreaterThan(0, parameter.grad.abs().max().item<float>(), parameterName);
        }
    }

    [TestMethod]
    public void EvaluationIsTheSameWithGradientWithoutAndInInferenceMode()
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (string name in SmallNetworks)
        {
            using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(name, 4, new(3, 16, 16));
            Tensor images = randn(5, 3, 16, 16);
            Tensor training = network.call(images);
            network.eval();
            Tensor plain = network.call(images), withoutGradient, inference;
            using (no_grad())
                withoutGradient = network.call(images);
            using (inference_mode())
                inference = network.call(images);
            Assert.IsTrue(plain.requires_grad && !withoutGradient.requires_grad && !inference.requires_grad, name);
            Assert.IsTrue(AreIdentical(plain, withoutGradient), name);
            Assert.IsTrue(AreIdentical(plain, inference), name);
            bool hasBatchNorm = name != NetworkArchitecture.VitTiny;
            Assert.AreEqual(!hasBatchNorm, plain.allclose(training), $"{name}: batch norm uses the batch in training only");
        }
    }

    [TestMethod]
    public void TrainingWithoutGradientUpdatesRunningStatisticsAlsoInInferenceMode()
    {
        using DisposeScope scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(NetworkArchitecture.ResNet8, 4, new(3, 16, 16));
        Tensor images = randn(5, 3, 16, 16);
        using (no_grad())
            network.call(images);
        using (inference_mode())
            network.call(images);
        Assert.AreEqual(2, network.state_dict()["layer3.0.bn2.num_batches_tracked"].item<long>());
    }

    [TestMethod]
    public void AForwardPassLeavesOnlyItsOutputAndNeverTouchesItsInput()
    {
        foreach (string name in SmallNetworks.Append(NetworkArchitecture.ResNet18))
        {
            using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(name, 4, new(3, 8, 8));
            using Tensor images = randn(2, 3, 8, 8);
            using Tensor copy = images.clone();
            CheckForward(network, images, name + " training");
            using (no_grad())
                CheckForward(network, images, name + " training without gradient");
            network.eval();
            CheckForward(network, images, name + " evaluation");
            using (inference_mode())
                CheckForward(network, images, name + " inference");
            Assert.IsTrue(AreIdentical(images, copy), name);
        }

        static void CheckForward(nn.Module<Tensor, Tensor> network, Tensor images, string what)
        {
            ThreadDisposeScopeStatistics statistics = DisposeScopeManager.Statistics;
            long before = statistics.ThreadTotalLiveCount;
            using (network.call(images))
                Assert.AreEqual(before + 1, statistics.ThreadTotalLiveCount, what);
            Assert.IsFalse(images.IsInvalid, what);
        }
    }

    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet56)]
    [DataRow(NetworkArchitecture.ResNet18)]
    [DataRow(NetworkArchitecture.ConvNet)]
    [DataRow(NetworkArchitecture.VitTiny)]
    public void IntermediateTensorsGoAsSoonAsTheNextLayerHasThem(string name)
    {
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(name, 4, new(3, 8, 8));
        ThreadDisposeScopeStatistics statistics = DisposeScopeManager.Statistics;
        using Tensor images = randn(2, 3, 8, 8);
        long before = statistics.ThreadTotalLiveCount, peak = before;
        foreach (nn.Module<Tensor, Tensor> module in network.modules().OfType<nn.Module<Tensor, Tensor>>())
        {
            module.register_forward_hook((_, _, output) =>
            {
                peak = Math.Max(peak, statistics.ThreadTotalLiveCount);
                return output;
            });
        }

        network.call(images).Dispose();
        Assert.IsLessThanOrEqualTo(8, peak - before, "tensors alive at once");
    }

    [TestMethod]
    public void NetworksWorkInDoublePrecision()
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (string name in SmallNetworks)
        {
            using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(name, 4, new(3, 16, 16));
            network.eval();
            Tensor images = randn(2, 3, 16, 16);
            Tensor single = network.call(images);
            network.to(ScalarType.Float64);
            Tensor twice = network.call(images.to(ScalarType.Float64));
            Assert.AreEqual(ScalarType.Float64, twice.dtype, name);
            Assert.IsTrue(twice.allclose(single.to(ScalarType.Float64), rtol: 1e-3, atol: 1e-4), name);
            twice.sum().backward();
            Assert.IsTrue(network.parameters().All(parameter => parameter.grad?.dtype == ScalarType.Float64), name);
        }
    }

    [TestMethod]
    public void ANetworkMadeInADisposeScopeOutlivesIt()
    {
        foreach (string name in SmallNetworks)
        {
            nn.Module<Tensor, Tensor> network;
            int count;
            using (NewDisposeScope())
            {
                network = NetworkArchitecture.Create(name, 4, new(3, 8, 8));
                count = network.state_dict().Count;
            }

            using (network)
                Assert.HasCount(count, network.state_dict(), $"{name}: TorchSharp leaves out disposed tensors");
        }
    }

    [TestMethod]
    public void ResNetParametersAreNamedAsTorchvisionNamesThem()
    {
        using nn.Module<Tensor, Tensor> resNet18 = NetworkArchitecture.Create(NetworkArchitecture.ResNet18, 10, new(3, 32, 32));
        Dictionary<string, Tensor> weights = resNet18.state_dict();
        Assert.HasCount(122, weights);
        AssertShapes(weights, new()
        {
            ["conv1.weight"] = [64, 3, 7, 7],
            ["bn1.running_mean"] = [64],
            ["bn1.num_batches_tracked"] = [],
            ["layer1.0.conv1.weight"] = [64, 64, 3, 3],
            ["layer1.1.bn2.bias"] = [64],
            ["layer2.0.conv1.weight"] = [128, 64, 3, 3],
            ["layer2.0.downsample.0.weight"] = [128, 64, 1, 1],
            ["layer2.0.downsample.1.running_var"] = [128],
            ["layer4.1.conv2.weight"] = [512, 512, 3, 3],
            ["fc.weight"] = [10, 512],
            ["fc.bias"] = [10],
        });
        Assert.IsFalse(weights.ContainsKey("layer1.0.downsample.0.weight"));
        Assert.IsFalse(weights.ContainsKey("conv1.bias"));

        using nn.Module<Tensor, Tensor> resNet50 = NetworkArchitecture.Create(NetworkArchitecture.ResNet50, 10, new(3, 32, 32));
        weights = resNet50.state_dict();
        Assert.HasCount(320, weights);
        AssertShapes(weights, new()
        {
            ["layer1.0.conv1.weight"] = [64, 64, 1, 1],
            ["layer1.0.conv3.weight"] = [256, 64, 1, 1],
            ["layer1.0.downsample.0.weight"] = [256, 64, 1, 1],
            ["layer3.5.conv2.weight"] = [256, 256, 3, 3],
            ["layer4.0.conv1.weight"] = [512, 1024, 1, 1],
            ["layer4.2.bn3.weight"] = [2048],
            ["fc.weight"] = [10, 2048],
        });
    }

    [TestMethod]
    public void CifarResNetParametersAreNamedLikewiseAndShortcutsHaveNone()
    {
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(NetworkArchitecture.ResNet20, 10, new(1, 28, 28));
        Dictionary<string, Tensor> weights = network.state_dict();
        AssertShapes(weights, new()
        {
            ["conv1.weight"] = [16, 1, 3, 3],
            ["bn1.weight"] = [16],
            ["layer1.0.conv1.weight"] = [16, 16, 3, 3],
            ["layer2.0.conv1.weight"] = [32, 16, 3, 3],
            ["layer3.2.bn2.running_var"] = [64],
            ["fc.weight"] = [10, 64],
        });
        Assert.IsFalse(weights.Keys.Any(name => name.Contains("downsample", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void WideResNetParametersAreNamedAsInItsPyTorchImplementations()
    {
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(NetworkArchitecture.WideResNet28x10, 10, new(3, 32, 32));
        Dictionary<string, Tensor> weights = network.state_dict();
        AssertShapes(weights, new()
        {
            ["conv1.weight"] = [16, 3, 3, 3],
            ["block1.layer.0.bn1.weight"] = [16],
            ["block1.layer.0.convShortcut.weight"] = [160, 16, 1, 1],
            ["block1.layer.3.conv2.weight"] = [160, 160, 3, 3],
            ["block2.layer.0.conv1.weight"] = [320, 160, 3, 3],
            ["block3.layer.3.bn2.running_mean"] = [640],
            ["bn1.weight"] = [640],
            ["fc.weight"] = [10, 640],
        });
        Assert.IsFalse(weights.ContainsKey("block1.layer.1.convShortcut.weight"));
    }

    [TestMethod]
    public void VisionTransformerParametersAreNamedAsTimmNamesThem()
    {
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(NetworkArchitecture.VitTiny, 10, new(3, 224, 224));
        Dictionary<string, Tensor> weights = network.state_dict();
        Assert.HasCount(152, weights);
        AssertShapes(weights, new()
        {
            ["cls_token"] = [1, 1, 192],
            ["pos_embed"] = [1, 197, 192],
            ["patch_embed.proj.weight"] = [192, 3, 16, 16],
            ["patch_embed.proj.bias"] = [192],
            ["blocks.0.norm1.weight"] = [192],
            ["blocks.0.attn.qkv.weight"] = [576, 192],
            ["blocks.5.attn.qkv.bias"] = [576],
            ["blocks.5.attn.proj.weight"] = [192, 192],
            ["blocks.11.norm2.bias"] = [192],
            ["blocks.11.mlp.fc1.weight"] = [768, 192],
            ["blocks.11.mlp.fc2.weight"] = [192, 768],
            ["norm.weight"] = [192],
            ["head.weight"] = [10, 192],
            ["head.bias"] = [10],
        });
    }

    private static bool AreIdentical(Tensor first, Tensor second)
    {
        using Tensor equal = first.eq(second), all = equal.all();
        return all.item<bool>();
    }

    private static void AssertShapes(Dictionary<string, Tensor> weights, Dictionary<string, long[]> expected)
    {
        foreach ((string name, long[] shape) in expected)
        {
            Assert.IsTrue(weights.TryGetValue(name, out Tensor? weight), $"{name} is missing");
            CollectionAssert.AreEqual(shape, weight.shape, name);
        }
    }
}
