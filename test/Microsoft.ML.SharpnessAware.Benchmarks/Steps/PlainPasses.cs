using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>Two plain forward and backward passes: what any two-pass method must pay, without climb and update.</summary>
internal sealed class PlainPasses : IDisposable
{
    private readonly nn.Module<Tensor, Tensor> _network;
    private readonly Tensor _images;
    private readonly Tensor _labels;

    public PlainPasses(StepSetting setting, ScalarType type = ScalarType.Float32)
    {
        _network = setting.CreateNetwork().to(type);
        Layers.UseChannelsLast(_network);
        (Tensor images, _labels) = setting.CreateBatch();
        _images = images.to(type);
    }

    public void Run()
    {
        for (int pass = 0; pass < 2; pass++)
        {
            using DisposeScope scope = NewDisposeScope();
            _network.zero_grad();
            nn.functional.cross_entropy(_network.call(_images), _labels).backward();
        }
    }

    public void Dispose()
    {
        _network.Dispose();
        _images.Dispose();
        _labels.Dispose();
    }
}
