using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>One step of a method, again and again on the same mini-batch.</summary>
internal sealed class TrainingStep : IDisposable
{
    private readonly nn.Module<Tensor, Tensor> _network;
    private readonly SharpnessAwareOptimizer _optimizer;
    private readonly Tensor _images;
    private readonly Tensor _labels;

    /// <param name="setting">What is trained.</param>
    /// <param name="method">How.</param>
    /// <param name="device">Where; null for the CPU.</param>
    public TrainingStep(StepSetting setting, SharpnessAwareMethod method, Device? device = null)
    {
        _network = setting.CreateNetwork(device);
        Parameters = _network.parameters().Sum(parameter => parameter.numel());
        _optimizer = new SharpnessAwareOptimizer(_network, method, new BaseOptimizer.Sgd(LearningRate: 0.01));
        (_images, _labels) = setting.CreateBatch(device);
    }

    /// <summary>How many its network has.</summary>
    public long Parameters { get; }

    public void Run() => _optimizer.Step(() => _network.call(_images), _labels);

    public void Dispose()
    {
        _optimizer.Dispose();
        _network.Dispose();
        _images.Dispose();
        _labels.Dispose();
    }
}
