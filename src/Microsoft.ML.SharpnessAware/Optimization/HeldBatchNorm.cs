using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Lets the batch norm layers of a network of one's own train by <see cref="BatchStatistics"/>, to the same numbers.</summary>
/// <remarks>Those that the network runs by <c>forward()</c> in place of <c>call()</c>, which no hook can see, train as they are.</remarks>
internal sealed class HeldBatchNorm(nn.Module network) : IDisposable
{
    private readonly ReplacedForward[] _layers =
    [
        .. network.modules().Append(network).Distinct().Where(layer => layer is BatchNorm1d or BatchNorm2d or BatchNorm3d)
            .Cast<NormBase>().Select(layer =>
                new ReplacedForward(
                    layer, input => BatchStatistics.AreKept(layer, input), input => BatchStatistics.Normalize(layer, input))),
    ];

    public void Dispose() => Array.ForEach(_layers, layer => layer.Dispose());
}
