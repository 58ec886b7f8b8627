using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>One step of a method, again and again on the same mini-batch.</summary>
internal sealed class TrainingStep : IDisposable
{
    private readonly nn.Module<Tensor, Tensor> _network;
    private readonly SharpnessAwareOptimizer _optimizer;
    private readonly Tensor _images;
    private readonly Tensor _labels;

    public TrainingStep(StepSetting setting, SharpnessAwareMethod method)
    {
        _network = setting.CreateNetwork();
        _optimizer = new SharpnessAwareOptimizer(_network, method, new BaseOptimizer.Sgd(LearningRate: 0.01));
        (_images, _labels) = setting.CreateBatch();
    }

    public void Run() => _optimizer.Step(() => _network.call(_images), _labels);

    public void Dispose()
    {
        _optimizer.Dispose();
        _network.Dispose();
        _images.Dispose();
        _labels.Dispose();
    }
}
