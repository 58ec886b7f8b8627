using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>One tensor in another layout than its neighbours makes each operation on it several times as slow, and nothing else
/// tells.</summary>
[TestClass]
public sealed class LayersTests
{
    [TestMethod]
    [DataRow(1, 3)]
    [DataRow(3, 3)]
    [DataRow(3, 1)]
    public void ConvolutionsGiveChannelsLastAlsoOfASingleChannel(int channels, int kernelSize)
    {
        using DisposeScope scope = NewDisposeScope();
        Conv2d convolution = Layers.Convolution(channels, 16, kernelSize);
        Tensor images = randn(2, channels, 8, 8), before = convolution.weight.clone();
        Layers.UseChannelsLast(convolution);
        CollectionAssert.AreEqual(
            new long[] { kernelSize * kernelSize * channels, 1, kernelSize * channels, channels }, convolution.weight.stride());
        Assert.IsTrue(TestNets.Same(before, convolution.weight));
        AssertChannelsLast(convolution.call(images));

        using var flat = new FlatParameters(convolution);
        Assert.IsTrue(TestNets.Same(before, convolution.weight));
        AssertChannelsLast(convolution.call(images));
    }

    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet8)]
    [DataRow(NetworkArchitecture.ConvNet)]
    [DataRow(NetworkArchitecture.ResNet18)]
    public void ActivationsOfTheWholeNetworkAreChannelsLast(string architecture)
    {
        using DisposeScope scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(architecture, 10, new(1, 28, 28));
        Layers.UseChannelsLast(network);
        int seen = 0;
        foreach (BatchNorm norm in network.modules().OfType<BatchNorm>())
        {
            norm.register_forward_hook((_, input, output) =>
            {
                AssertChannelsLast(input);
                AssertChannelsLast(output);
                seen++;
                return output;
            });
        }

        network.call(randn(4, 1, 28, 28));
        Assert.IsGreaterThan(0, seen);
    }

    [TestMethod]
    public void ParametersThatBelongToNoConvolutionKeepTheirLayout()
    {
        const string Name = "standardized-convolution";
        NetworkArchitecture.Register(Name, classes => nn.Sequential(
            ("conv", nn.Conv2d(1, 3, 3)), ("standardized", new StandardizedConvolution(3, 4)), ("relu", nn.ReLU()),
            ("one", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()), ("fc", nn.Linear(4, classes))));
        var mlContext = new MLContext(1);
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(8));
        using SharpnessAwareImageClassificationTransformer model = Fitted.Model(
            mlContext, data, options => (options.Arch, options.Epoch) = (Name, 1));
        Assert.HasCount(8, Fitted.Scores(mlContext, model.Transform(data)));
    }

    /// <summary>Weight standardisation (Qiao et al. 2019).</summary>
    private sealed class StandardizedConvolution : nn.Module<Tensor, Tensor>
    {
        private readonly Parameter _weight;

        public StandardizedConvolution(int inputs, int outputs)
            : base(nameof(StandardizedConvolution))
        {
            _weight = nn.Parameter(randn(outputs, inputs, 3, 3));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            Tensor rows = _weight.view(_weight.shape[0], -1);
            return nn.functional.conv2d(input, ((rows - rows.mean([1], true)) / rows.std(1, true, true)).view(_weight.shape));
        }
    }

    [TestMethod]
    public void TheShortcutWithoutParametersPassesItsGradientOnInChannelsLast()
    {
        using DisposeScope scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(NetworkArchitecture.ResNet8, 10, new(3, 32, 32));
        nn.Module<Tensor, Tensor> shortcut = network.named_modules().Where(m => m.name.EndsWith("downsample", StringComparison.Ordinal))
            .Select(m => (nn.Module<Tensor, Tensor>)m.module).First();
        Tensor input = randn(2, 9, 7, 16).permute(0, 3, 1, 2).requires_grad_(true);
        Tensor output = shortcut.call(input);
        AssertChannelsLast(output);
        output.backward([randn_like(output)]);
        AssertChannelsLast(input.grad!);
        Tensor everySecond = input.index(TensorIndex.Ellipsis, TensorIndex.Slice(step: 2), TensorIndex.Slice(step: 2));
        Assert.IsTrue(TestNets.Same(everySecond, output.narrow(1, 8, 16)));
        Assert.IsTrue(output.narrow(1, 0, 8).eq(0).all().item<bool>() && output.narrow(1, 24, 8).eq(0).all().item<bool>());
    }

    private static void AssertChannelsLast(Tensor tensor) =>
        Assert.IsTrue(tensor.permute(0, 2, 3, 1).is_contiguous(),
            $"[{string.Join(", ", tensor.shape)}] with strides {string.Join(", ", tensor.stride())}");
}
