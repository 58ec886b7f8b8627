using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The residual block of two 3×3 convolutions (He et al. 2016, figure 5 left).</summary>
internal sealed class BasicBlock : nn.Module<Tensor, Tensor>, IFoldable, IOnnxNetwork
{
    [ComponentName(Name = "conv1")] private readonly Conv2d _conv1;
    [ComponentName(Name = "bn1")] private readonly ImageBatchNorm _bn1;
    [ComponentName(Name = "conv2")] private readonly Conv2d _conv2;
    [ComponentName(Name = "bn2")] private readonly ImageBatchNorm _bn2;
    [ComponentName(Name = "downsample")] private readonly nn.Module<Tensor, Tensor>? _downsample;
    private readonly bool _roundsDown;

    /// <param name="inputChannels">Channels of the block's input.</param>
    /// <param name="channels">Channels of both convolutions and of the output.</param>
    /// <param name="stride">Stride of the first convolution.</param>
    /// <param name="downsample">Brings the input to the output's shape; null where the shapes agree.</param>
    /// <param name="roundsDown">Whether half of an odd size is rounded down (see <see cref="Layers.Halved"/>) and not up.</param>
    internal BasicBlock(int inputChannels, int channels, int stride, nn.Module<Tensor, Tensor>? downsample, bool roundsDown = false)
        : base(nameof(BasicBlock))
    {
        _roundsDown = roundsDown && stride == 2;
        _conv1 = Layers.Convolution(inputChannels, channels, 3, stride);
        _bn1 = new ImageBatchNorm(channels);
        _conv2 = Layers.Convolution(channels, channels, 3);
        _bn2 = new ImageBatchNorm(channels);
        _downsample = downsample;
        RegisterComponents();
    }

    public FoldedBlock Fold() => new(
        [new(_conv1, _bn1), new(_conv2, _bn2)],
        _downsample is Sequential layers ? new((Conv2d)layers[0], (ImageBatchNorm)layers[1]) : null,
        _roundsDown);

    public override Tensor forward(Tensor input)
    {
        Tensor output = Run(_conv1, input).Then(_bn1).relu_().Then(_conv2).Then(_bn2);
        using Tensor? shortcut = _downsample is null ? null : Run(_downsample, input);
        return output.add_(shortcut ?? input, FixedScalars.One).relu_();
    }

    public OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input)
    {
        OnnxValue output = graph.Layer(_conv2, _bn2, graph.Relu(graph.Layer(_conv1, _bn1, input, _roundsDown)));
        OnnxValue shortcut = _downsample is Sequential layers && _roundsDown
            ? graph.Layer((Conv2d)layers[0], (ImageBatchNorm)layers[1], input, roundsDown: true)
            : _downsample is null ? input : graph.Layer(_downsample, input);
        return graph.Relu(graph.Add(output, shortcut));
    }

    private Tensor Run(nn.Module<Tensor, Tensor> layer, Tensor input) => _roundsDown ? Layers.Halved(layer, input) : layer.call(input);
}
