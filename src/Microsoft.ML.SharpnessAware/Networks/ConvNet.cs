using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A small convolutional network for images of about 28×28 to 64×64: three 3×3 convolutions with 32, 64 and 128 channels, each with batch
/// norm and ReLU, 2×2 max pooling after the first two, global average pooling and one linear layer.
/// </summary>
internal sealed class ConvNet : nn.Module<Tensor, Tensor>, IOnnxNetwork
{
    private const int MinimumSize = 4;

    [ComponentName(Name = "conv1")] private readonly Conv2d _conv1;
    [ComponentName(Name = "bn1")] private readonly ImageBatchNorm _bn1;
    [ComponentName(Name = "conv2")] private readonly Conv2d _conv2;
    [ComponentName(Name = "bn2")] private readonly ImageBatchNorm _bn2;
    [ComponentName(Name = "conv3")] private readonly Conv2d _conv3;
    [ComponentName(Name = "bn3")] private readonly ImageBatchNorm _bn3;
    [ComponentName(Name = "fc")] private readonly Linear _fc;

    internal ConvNet(int numberOfClasses, ImageShape input)
        : base(nameof(ConvNet))
    {
        if (Math.Min(input.Height, input.Width) < MinimumSize)
        {
            throw new ArgumentException(
                $"The convolutional network pools twice and needs images of at least {MinimumSize}×{MinimumSize} pixels; " +
                $"these have {input.Width}×{input.Height}.", nameof(input));
        }

        _conv1 = Layers.Convolution(input.Channels, 32, 3);
        _bn1 = new ImageBatchNorm(32);
        _conv2 = Layers.Convolution(32, 64, 3);
        _bn2 = new ImageBatchNorm(64);
        _conv3 = Layers.Convolution(64, 128, 3);
        _bn3 = new ImageBatchNorm(128);
        _fc = nn.Linear(128, numberOfClasses);
        RegisterComponents();
        Layers.InitializeConvolutions(this);
    }

    // Maximum and ReLU commute: after the pool ReLU has a quarter of the values to look at, and the result is the same.
    public override Tensor forward(Tensor input) =>
        _conv1.call(input).Then(_bn1).Then(HalvingMaxPool).relu_()
            .Then(_conv2).Then(_bn2).Then(HalvingMaxPool).relu_()
            .Then(_conv3).Then(_bn3).relu_()
            .Then(Layers.GlobalAveragePool).Then(_fc);

    public OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input)
    {
        OnnxValue first = graph.Relu(graph.MaxPool(graph.Layer(_conv1, _bn1, input), kernelSize: 2, stride: 2));
        OnnxValue second = graph.Relu(graph.MaxPool(graph.Layer(_conv2, _bn2, first), kernelSize: 2, stride: 2));
        return graph.Layer(_fc, graph.GlobalAveragePool(graph.Relu(graph.Layer(_conv3, _bn3, second))));
    }

    private static Tensor HalvingMaxPool(Tensor input) => nn.functional.max_pool2d(input, kernel_size: 2);
}
