using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The residual block of 1×1, 3×3 and 1×1 convolutions (He et al. 2016, figure 5 right). The stride is on the 3×3 convolution as in
/// torchvision; the paper has it on the first 1×1.
/// </summary>
internal sealed class Bottleneck : nn.Module<Tensor, Tensor>, IFoldable, IOnnxNetwork
{
    /// <summary>Output channels per channel of the 3×3 convolution.</summary>
    internal const int Expansion = 4;

    [ComponentName(Name = "conv1")] private readonly Conv2d _conv1;
    [ComponentName(Name = "bn1")] private readonly ImageBatchNorm _bn1;
    [ComponentName(Name = "conv2")] private readonly Conv2d _conv2;
    [ComponentName(Name = "bn2")] private readonly ImageBatchNorm _bn2;
    [ComponentName(Name = "conv3")] private readonly Conv2d _conv3;
    [ComponentName(Name = "bn3")] private readonly ImageBatchNorm _bn3;
    [ComponentName(Name = "downsample")] private readonly nn.Module<Tensor, Tensor>? _downsample;

    /// <param name="inputChannels">Channels of the block's input.</param>
    /// <param name="channels">Channels of the 3×3 convolution; the output has <see cref="Expansion"/> times as many.</param>
    /// <param name="stride">Stride of the 3×3 convolution.</param>
    /// <param name="downsample">Brings the input to the output's shape; null where the shapes agree.</param>
    internal Bottleneck(int inputChannels, int channels, int stride, nn.Module<Tensor, Tensor>? downsample)
        : base(nameof(Bottleneck))
    {
        _conv1 = Layers.Convolution(inputChannels, channels, 1);
        _bn1 = new ImageBatchNorm(channels);
        _conv2 = Layers.Convolution(channels, channels, 3, stride);
        _bn2 = new ImageBatchNorm(channels);
        _conv3 = Layers.Convolution(channels, Expansion * channels, 1);
        _bn3 = new ImageBatchNorm(Expansion * channels);
        _downsample = downsample;
        RegisterComponents();
    }

    public FoldedBlock Fold() => new(
        [new(_conv1, _bn1), new(_conv2, _bn2), new(_conv3, _bn3)],
        _downsample is Sequential layers ? new((Conv2d)layers[0], (ImageBatchNorm)layers[1]) : null,
        roundsDown: false);

    public override Tensor forward(Tensor input)
    {
        Tensor output = _conv1.call(input).Then(_bn1).relu_()
            .Then(_conv2).Then(_bn2).relu_()
            .Then(_conv3).Then(_bn3);
        using Tensor? shortcut = _downsample?.call(input);
        return output.add_(shortcut ?? input, FixedScalars.One).relu_();
    }

    public OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input)
    {
        OnnxValue narrow = graph.Relu(graph.Layer(_conv1, _bn1, input));
        OnnxValue output = graph.Layer(_conv3, _bn3, graph.Relu(graph.Layer(_conv2, _bn2, narrow)));
        OnnxValue shortcut = _downsample is null ? input : graph.Layer(_downsample, input);
        return graph.Relu(graph.Add(output, shortcut));
    }
}
