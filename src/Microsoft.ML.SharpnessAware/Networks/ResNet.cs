using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// ResNet-18, 34 and 50 (He et al. 2016, "Deep residual learning for image recognition", table 1), parameter for parameter torchvision's.
/// Built for 224×224, works at any size; the stem and three stages shrink the image 32 times, at 32×32 to a single position.
/// </summary>
/// <remarks>
/// The network of the package Microsoft.ML.DnnImageFeaturizer.ResNet18 is a relative: depth 18 with one block more in the last stage, and
/// padding only at the top and at the left where it halves. For even sizes these are the same windows as torchvision's; of odd sizes it
/// rounds the half down where torchvision rounds up. From 32×32 on there is something left.
/// </remarks>
internal sealed class ResNet : nn.Module<Tensor, Tensor>, IOnnxNetwork
{
    private const int Halvings = 5;
    private const int Reduction = 1 << Halvings;

    [ComponentName(Name = "conv1")] private readonly Conv2d _conv1;
    [ComponentName(Name = "bn1")] private readonly ImageBatchNorm _bn1;
    [ComponentName(Name = "layer1")] private readonly Sequential _layer1;
    [ComponentName(Name = "layer2")] private readonly Sequential _layer2;
    [ComponentName(Name = "layer3")] private readonly Sequential _layer3;
    [ComponentName(Name = "layer4")] private readonly Sequential _layer4;
    [ComponentName(Name = "fc")] private readonly Linear _fc;
    private readonly bool _roundsDown;

    private ResNet((int, int, int, int) blocks, bool bottleneck, int numberOfClasses, ImageShape input, bool roundsDown = false)
        : base(nameof(ResNet))
    {
        _roundsDown = roundsDown;
        int expansion = bottleneck ? Bottleneck.Expansion : 1;
        _conv1 = Layers.Convolution(input.Channels, 64, 7, stride: 2);
        _bn1 = new ImageBatchNorm(64);
        _layer1 = Stage(64, 64, blocks.Item1, stride: 1);
        _layer2 = Stage(64 * expansion, 128, blocks.Item2, stride: 2);
        _layer3 = Stage(128 * expansion, 256, blocks.Item3, stride: 2);
        _layer4 = Stage(256 * expansion, 512, blocks.Item4, stride: 2);
        _fc = nn.Linear(512 * expansion, numberOfClasses);
        RegisterComponents();
        Layers.InitializeConvolutions(this);

        Sequential Stage(int inputChannels, int channels, int count, int stride) =>
            nn.Sequential(Enumerable.Range(0, count).Select(i =>
                i == 0 ? Block(inputChannels, channels, stride) : Block(channels * expansion, channels, 1)));

        nn.Module<Tensor, Tensor> Block(int inputChannels, int channels, int stride)
        {
            int outputChannels = channels * expansion;
            Sequential? downsample = stride == 1 && inputChannels == outputChannels ? null : nn.Sequential(
                Layers.Convolution(inputChannels, outputChannels, 1, stride),
                new ImageBatchNorm(outputChannels));
            return bottleneck
                ? new Bottleneck(inputChannels, channels, stride, downsample)
                : new BasicBlock(inputChannels, channels, stride, downsample, roundsDown);
        }
    }

    internal static ResNet Depth18(int numberOfClasses, ImageShape input) => new((2, 2, 2, 2), false, numberOfClasses, input);

    internal static ResNet Depth34(int numberOfClasses, ImageShape input) => new((3, 4, 6, 3), false, numberOfClasses, input);

    internal static ResNet Depth50(int numberOfClasses, ImageShape input) => new((3, 4, 6, 3), true, numberOfClasses, input);

    internal static ResNet MLNetDepth18(int numberOfClasses, ImageShape input)
    {
        if (Math.Min(input.Height, input.Width) < Reduction)
        {
            throw new ArgumentException(
                $"Network '{NetworkArchitecture.MLNetResNet18}' halves images {Halvings} times and needs at least " +
                    $"{Reduction}×{Reduction} pixels; " +
                $"these have {input.Width}×{input.Height}. Set ImageWidth and ImageHeight (128 is a good size) where images can be " +
                    "resized.",
                nameof(input));
        }

        return new((2, 2, 2, 3), false, numberOfClasses, input, roundsDown: true);
    }

    /// <summary>The backbone in evaluation mode with the weights that it has now, for as long as they do not change.</summary>
    internal FoldedResNet FoldBackbone()
    {
        Sequential[] stages = [_layer1, _layer2, _layer3, _layer4];
        FoldedBlock[] blocks = [.. stages.SelectMany(stage => stage.children()).Select(block => ((IFoldable)block).Fold())];
        return new FoldedResNet(new FoldedConvolution(_conv1, _bn1), blocks, _roundsDown);
    }

    // Maximum and ReLU commute: after the pool ReLU has a quarter of the values to look at, and the result is the same.
    public override Tensor forward(Tensor input) =>
        (_roundsDown ? Layers.Halved(_conv1, input) : _conv1.call(input)).Then(_bn1).Then(x => MaxPool(x, _roundsDown)).relu_()
            .Then(_layer1).Then(_layer2).Then(_layer3).Then(_layer4)
            .Then(Layers.GlobalAveragePool).Then(_fc);

    public OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input)
    {
        OnnxValue stem = graph.Layer(_conv1, _bn1, input, _roundsDown);
        OnnxValue value = graph.Relu(graph.MaxPool(stem, kernelSize: 3, stride: 2, padding: 1, _roundsDown));
        foreach (Sequential stage in (Sequential[])[_layer1, _layer2, _layer3, _layer4])
            value = graph.Layer(stage, value);
        return graph.Layer(_fc, graph.GlobalAveragePool(value));
    }

    internal static Tensor MaxPool(Tensor input, bool roundsDown)
    {
        Tensor output = nn.functional.max_pool2d(input, kernel_size: 3, stride: 2, padding: 1);
        return roundsDown ? Layers.WithHalfTheSize(output, input) : output;
    }
}
