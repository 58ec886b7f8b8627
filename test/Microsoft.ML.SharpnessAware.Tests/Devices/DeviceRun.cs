using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>The reference network and its optimiser on a device, which can be stopped and go on elsewhere.</summary>
internal sealed class DeviceRun : IDisposable
{
    // With the usual epsilon of 1e-8 the bias before batch normalisation, whose gradient is 0 but for rounding, would go where that leads.
    public static readonly BaseOptimizer[] BaseOptimizers =
        [new BaseOptimizer.Sgd(0.1, Nesterov: true), new BaseOptimizer.AdamW(0.01, Epsilon: 1e-3)];

    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Device _device;
    private readonly ScalarType _type;
    private readonly SharpnessAwareMethod _method;
    private readonly BaseOptimizer _baseOptimizer;
    private readonly Module<Tensor, Tensor> _network;
    private readonly SharpnessAwareOptimizer _optimizer;

    public DeviceRun(Device device, ScalarType type, SharpnessAwareMethod method, BaseOptimizer baseOptimizer)
    {
        DeviceUnderTest.ComputeInFullPrecision();
        (_device, _type, _method, _baseOptimizer) = (device, type, method, baseOptimizer);
        _network = TestNets.ReferenceNet(batchNorm: true).to(type).to(device);
        _optimizer = new SharpnessAwareOptimizer(_network, method, baseOptimizer);
    }

    /// <summary>Steps from one number to the one before another, on the reference's mini-batches, and their losses.</summary>
    public double[] Steps(int from, int to) => [.. Enumerable.Range(from, to - from).Select(t =>
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor images, Tensor labels) = TestNets.ReferenceBatch(t);
        (images, labels) = (images.to(_type).to(_device), labels.to(_device));
        return _optimizer.Step(() => _network.call(images), labels);
    })];

    /// <summary>All numbers of the network, on the CPU.</summary>
    public double[] Values()
    {
        using DisposeScope scope = NewDisposeScope();
        return [.. _network.state_dict().Values
            .SelectMany(value => value.to(ScalarType.Float64).cpu().reshape(-1).data<double>().ToArray())];
    }

    /// <summary>The same network, and an optimiser with the state that this one saves, on a device.</summary>
    public DeviceRun GoOn(Device device)
    {
        using var stream = new MemoryStream();
        using (var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true))
            _optimizer.Save(writer);
        stream.Position = 0;

        var other = new DeviceRun(device, _type, _method, _baseOptimizer);
        using (no_grad())
        {
            Dictionary<string, Tensor> source = _network.state_dict(), target = other._network.state_dict();
            foreach (string name in source.Keys)
                target[name].copy_(source[name]);
        }
        using var reader = new BinaryReader(stream);
        other._optimizer.Load(reader);
        return other;
    }

    public void Dispose()
    {
        _optimizer.Dispose();
        _network.Dispose();
        _scope.Dispose();
    }
}
