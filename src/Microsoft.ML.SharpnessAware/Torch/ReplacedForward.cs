using System.Collections;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Puts something else in the place of a layer's forward pass, until it is disposed.</summary>
/// <remarks>
/// A hook cannot keep the layer from running: it runs in evaluation mode on the first none of its images, which checks their dimensions and
/// changes nothing. Another hook, which would see that, or whose result would be lost, makes the layer run as it is. What takes its place
/// is computed before: where that throws, the layer was not touched. Hooks are those of <c>call()</c>: who runs the layer by
/// <c>forward()</c> gets the layer as it is.
/// </remarks>
internal sealed class ReplacedForward : IDisposable
{
    private readonly nn.Module<Tensor, Tensor> _layer;
    private readonly Func<Tensor, bool> _applies;
    private readonly Func<Tensor, Tensor> _forward;
    private readonly Action[] _removals;
    private readonly ICollection[] _hooks;
    private Tensor? _output;

    /// <param name="layer">The layer.</param>
    /// <param name="applies">Asked before each pass whether it is to be replaced: one in training mode, of an input that the layer takes.
    /// </param>
    /// <param name="forward">The pass instead.</param>
    public ReplacedForward(nn.Module<Tensor, Tensor> layer, Func<Tensor, bool> applies, Func<Tensor, Tensor> forward)
    {
        (_layer, _applies, _forward) = (layer, applies, forward);
        var before = layer.register_forward_pre_hook((_, input) => Before(input));
        var after = layer.register_forward_hook((_, _, output) => After(output));
        _removals = [before.remove, after.remove];
        _hooks = LayerHooks.Of(layer);
    }

    /// <summary>How many passes were replaced.</summary>
    public long Passes { get; private set; }

    /// <summary>Whether the layer has hooks of somebody else, and is not replaced.</summary>
    public bool HasOtherHooks => _hooks.Sum(hooks => hooks.Count) > _removals.Length;

    public void Dispose() => Array.ForEach(_removals, remove => remove());

    private Tensor Before(Tensor input)
    {
        _output = null;
        if (!_applies(input) || HasOtherHooks)
            return input;
        _output = _forward(input);
        Passes++;
        _layer.eval();
        return input.narrow(0, 0, 0);
    }

    private Tensor After(Tensor ofNone)
    {
        if (_output is not { } output)
            return ofNone;
        ofNone.Dispose();
        _output = null;
        _layer.train();
        return output;
    }
}
