using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Makes running statistics of a layer anew while it is there: the mean over the layer's runs, each of which counts alike, as PyTorch's
/// update_bn does it. Of a layer that was not run they come back.
/// </summary>
internal sealed class MeanStatistics : IDisposable
{
    private readonly NormBase _layer;
    private readonly double? _momentum;
    private readonly bool _countsItself;
    private readonly Tensor[] _before;
    private readonly Action? _removeHook;
    private long _seen;

    public MeanStatistics(NormBase layer)
    {
        (_layer, _momentum) = (layer, layer.momentum);
        _before = [.. layer.buffers(recurse: false).Select(tensor => tensor.clone().DetachFromDisposeScope())];
        layer.running_mean!.zero_();            // what is no number would stay so: the first run takes 0 times what was there
        layer.running_var!.fill_(FixedScalars.One);
        layer.num_batches_tracked!.zero_();
        layer.momentum = null;
        // Instance norm does not, and what a class of an application does nobody knows.
        _countsItself = layer is not InstanceNorm
            && (layer.GetType().Assembly == typeof(NormBase).Assembly || layer.GetType().Assembly == typeof(MeanStatistics).Assembly);
        if (!_countsItself)
        {
            _removeHook = layer.register_forward_pre_hook((_, input) =>
            {
                layer.momentum = 1.0 / ++_seen;
                return input;
            }).remove;
        }
    }

    /// <summary>To be called before each pass over a mini-batch.</summary>
    /// <param name="number">Its number, from 1. A layer that counts nothing, run by <c>forward()</c>, is taken to run once in each.</param>
    public void BeginPass(long number)
    {
        if (!_countsItself && _seen == 0)
            _layer.momentum = 1.0 / number;
    }

    /// <summary>To be called after the passes.</summary>
    public void Complete()
    {
        using DisposeScope scope = NewDisposeScope();
        if (WasRun())
            _layer.num_batches_tracked!.add_(CounterBefore(), FixedScalars.One);
        else
            PutBack();
    }

    /// <summary>Puts back what was there.</summary>
    public void PutBack()
    {
        foreach ((Tensor buffer, Tensor before) in _layer.buffers(recurse: false).Zip(_before))
            buffer.copy_(before);
    }

    public void Dispose()
    {
        _removeHook?.Invoke();
        _layer.momentum = _momentum;
        Array.ForEach(_before, tensor => tensor.Dispose());
    }

    private bool WasRun() => _seen > 0 || BatchStatistics.Count(_layer) > 0
        || !(_layer.running_mean!.eq(FixedScalars.Zero).all() & _layer.running_var!.eq(FixedScalars.One).all()).item<bool>();

    private Tensor CounterBefore() => _before[
        Array.FindIndex([.. _layer.named_buffers(recurse: false)], entry => entry.name == nameof(NormBase.num_batches_tracked))];
}
