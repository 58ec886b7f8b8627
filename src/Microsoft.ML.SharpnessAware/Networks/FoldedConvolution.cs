using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A convolution and the batch norm after it as one convolution with a bias, for a network that no longer learns: the same to rounding,
/// and a way through memory less.
/// </summary>
internal sealed class FoldedConvolution : IDisposable
{
    private readonly Tensor _weight;
    private readonly Tensor _bias;
    private readonly long[] _stride;
    private readonly long[] _padding;

    /// <summary>Takes the layers' weights and running statistics as they are now.</summary>
    public FoldedConvolution(Conv2d convolution, NormBase norm)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        using Scalar epsilon = norm.eps.ToScalar();
        Tensor scale = norm.running_var!.Plus(epsilon).rsqrt().mul(norm.weight!);
        Tensor weight = convolution.weight.mul(scale.view(-1, 1, 1, 1));
        _weight = Layers.ChannelsLast(weight).DetachFromDisposeScope();
        _bias = norm.running_mean!.mul(scale).negative().Plus(norm.bias!).DetachFromDisposeScope();
        _stride = convolution.stride;
        _padding = convolution.padding!;
    }

    public Tensor Run(Tensor input) => nn.functional.conv2d(input, _weight, _bias, _stride, _padding);

    public void Dispose()
    {
        _weight.Dispose();
        _bias.Dispose();
    }
}
