using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The ResNet of depth 6n + 2 for small images (He et al. 2016, section 4.2): three stages of n basic blocks with 16, 32 and 64 channels,
/// shortcuts without parameters. Built for 32×32, works at any size.
/// </summary>
internal sealed class CifarResNet : nn.Module<Tensor, Tensor>, IOnnxNetwork
{
    [ComponentName(Name = "conv1")] private readonly Conv2d _conv1;
    [ComponentName(Name = "bn1")] private readonly ImageBatchNorm _bn1;
    [ComponentName(Name = "layer1")] private readonly Sequential _layer1;
    [ComponentName(Name = "layer2")] private readonly Sequential _layer2;
    [ComponentName(Name = "layer3")] private readonly Sequential _layer3;
    [ComponentName(Name = "fc")] private readonly Linear _fc;

    private CifarResNet(int blocksPerStage, int numberOfClasses, ImageShape input)
        : base(nameof(CifarResNet))
    {
        _conv1 = Layers.Convolution(input.Channels, 16, 3);
        _bn1 = new ImageBatchNorm(16);
        _layer1 = nn.Sequential(Blocks(16, blocksPerStage));
        _layer2 = nn.Sequential(Blocks(32, blocksPerStage - 1).Prepend(HalvingBlock(16)));
        _layer3 = nn.Sequential(Blocks(64, blocksPerStage - 1).Prepend(HalvingBlock(32)));
        _fc = nn.Linear(64, numberOfClasses);
        RegisterComponents();
        Layers.InitializeConvolutions(this);

        static IEnumerable<BasicBlock> Blocks(int channels, int count) =>
            Enumerable.Range(0, count).Select(_ => new BasicBlock(channels, channels, stride: 1, downsample: null));

        static BasicBlock HalvingBlock(int channels) => new(channels, 2 * channels, stride: 2, new PaddedShortcut(channels));
    }

    internal static CifarResNet Depth8(int numberOfClasses, ImageShape input) => new(1, numberOfClasses, input);

    internal static CifarResNet Depth20(int numberOfClasses, ImageShape input) => new(3, numberOfClasses, input);

    internal static CifarResNet Depth56(int numberOfClasses, ImageShape input) => new(9, numberOfClasses, input);

    public override Tensor forward(Tensor input) =>
        _conv1.call(input).Then(_bn1).relu_()
            .Then(_layer1).Then(_layer2).Then(_layer3)
            .Then(Layers.GlobalAveragePool).Then(_fc);

    public OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input)
    {
        OnnxValue value = graph.Relu(graph.Layer(_conv1, _bn1, input));
        foreach (Sequential stage in (Sequential[])[_layer1, _layer2, _layer3])
            value = graph.Layer(stage, value);
        return graph.Layer(_fc, graph.GlobalAveragePool(value));
    }

    /// <summary>Option A of the paper: every second pixel, and zeros for the channels that are new, half on either side.</summary>
    private sealed class PaddedShortcut : ParameterLessModule<Tensor, Tensor>, IOnnxNetwork
    {
        private readonly long[] _padding;

        internal PaddedShortcut(int inputChannels)
            : base(nameof(PaddedShortcut))
        {
            _padding = [0, 0, 0, 0, inputChannels / 2, inputChannels / 2];
        }

        public override Tensor forward(Tensor input) =>
            nn.functional.avg_pool2d(input, kernel_size: 1, stride: 2).Then(x => nn.functional.pad(x, _padding));

        public OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input)
        {
            OnnxValue smaller = graph.MaxPool(input, kernelSize: 1, stride: 2);
            long channels = _padding[^1];
            return graph.Operator("Pad", [smaller, graph.Vector(0, channels, 0, 0, 0, channels, 0, 0)]);
        }
    }
}
