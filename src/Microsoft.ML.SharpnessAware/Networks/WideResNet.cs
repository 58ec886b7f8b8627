using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// WideResNet-28-10 (Zagoruyko and Komodakis 2016): three stages of four pre-activation blocks with 160, 320 and 640 channels, no dropout.
/// Parameters are named block1.layer.0.bn1 and so on, as in the PyTorch implementations that publish weights. Built for 32×32, works at
/// any size.
/// </summary>
internal sealed class WideResNet : nn.Module<Tensor, Tensor>, IOnnxNetwork
{
    [ComponentName(Name = "conv1")] private readonly Conv2d _conv1;
    [ComponentName(Name = "block1")] private readonly Sequential _block1;
    [ComponentName(Name = "block2")] private readonly Sequential _block2;
    [ComponentName(Name = "block3")] private readonly Sequential _block3;
    [ComponentName(Name = "bn1")] private readonly ImageBatchNorm _bn1;
    [ComponentName(Name = "fc")] private readonly Linear _fc;

    private WideResNet(int blocksPerStage, int widening, int numberOfClasses, ImageShape input)
        : base(nameof(WideResNet))
    {
        _conv1 = Layers.Convolution(input.Channels, 16, 3);
        _block1 = Stage(16, 16 * widening, stride: 1);
        _block2 = Stage(16 * widening, 32 * widening, stride: 2);
        _block3 = Stage(32 * widening, 64 * widening, stride: 2);
        _bn1 = new ImageBatchNorm(64 * widening);
        _fc = nn.Linear(64 * widening, numberOfClasses);
        nn.init.zeros_(_fc.bias);
        RegisterComponents();
        Layers.InitializeConvolutions(this);

        Sequential Stage(int inputChannels, int channels, int stride) =>
            nn.Sequential(("layer", nn.Sequential(Enumerable.Range(0, blocksPerStage).Select(i =>
                i == 0 ? new Block(inputChannels, channels, stride) : new Block(channels, channels, stride: 1)))));
    }

    internal static WideResNet Depth28Width10(int numberOfClasses, ImageShape input) => new(4, 10, numberOfClasses, input);

    public override Tensor forward(Tensor input) =>
        _conv1.call(input)
            .Then(_block1).Then(_block2).Then(_block3)
            .Then(_bn1).relu_()
            .Then(Layers.GlobalAveragePool).Then(_fc);

    public OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input)
    {
        OnnxValue value = graph.Layer(_conv1, input);
        foreach (Sequential stage in (Sequential[])[_block1, _block2, _block3])
            value = graph.Layer(stage, value);
        return graph.Layer(_fc, graph.GlobalAveragePool(graph.Relu(graph.Layer(_bn1, value))));
    }

    /// <summary>
    /// Batch norm and ReLU before each convolution, so that the shortcut is never rectified. Where the channels change, a 1×1 convolution
    /// of the activated input is the shortcut.
    /// </summary>
    private sealed class Block : nn.Module<Tensor, Tensor>, IOnnxNetwork
    {
        [ComponentName(Name = "bn1")] private readonly ImageBatchNorm _bn1;
        [ComponentName(Name = "conv1")] private readonly Conv2d _conv1;
        [ComponentName(Name = "bn2")] private readonly ImageBatchNorm _bn2;
        [ComponentName(Name = "conv2")] private readonly Conv2d _conv2;
        [ComponentName(Name = "convShortcut")] private readonly Conv2d? _convShortcut;

        internal Block(int inputChannels, int channels, int stride)
            : base(nameof(Block))
        {
            _bn1 = new ImageBatchNorm(inputChannels);
            _conv1 = Layers.Convolution(inputChannels, channels, 3, stride);
            _bn2 = new ImageBatchNorm(channels);
            _conv2 = Layers.Convolution(channels, channels, 3);
            _convShortcut = inputChannels == channels ? null : Layers.Convolution(inputChannels, channels, 1, stride);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            Tensor activated = _bn1.call(input).relu_();
            using Tensor? shortcut = _convShortcut?.call(activated);
            Tensor output = activated.Then(_conv1).Then(_bn2).relu_().Then(_conv2);
            return output.add_(shortcut ?? input, FixedScalars.One);
        }

        public OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input)
        {
            OnnxValue activated = graph.Relu(graph.Layer(_bn1, input));
            OnnxValue output = graph.Layer(_conv2, graph.Relu(graph.Layer(_conv1, _bn2, activated)));
            return graph.Add(output, _convShortcut is null ? input : graph.Layer(_convShortcut, activated));
        }
    }
}
