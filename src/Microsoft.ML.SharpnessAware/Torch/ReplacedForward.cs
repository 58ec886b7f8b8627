using System.Collections;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Puts something else in the place of a layer's forward pass, until it is disposed.</summary>
/// <remarks>
/// A hook cannot keep the layer from running: it runs in evaluation mode on the first none of its images, which checks their dimensions and
/// changes nothing. Another hook, which would see that, or whose result would be lost, makes the layer run as it is.
/// </remarks>
internal sealed class ReplacedForward : IDisposable
{
    private readonly nn.Module<Tensor, Tensor> _layer;
    private readonly Func<Tensor, Tensor> _forward;
    private readonly Action[] _removals;
    private readonly ICollection[] _hooks;
    private Tensor? _input;

    /// <param name="layer">The layer.</param>
    /// <param name="applies">Asked before each pass whether it is to be replaced.</param>
    /// <param name="forward">The pass instead, with the layer in training mode.</param>
    public ReplacedForward(nn.Module<Tensor, Tensor> layer, Func<bool> applies, Func<Tensor, Tensor> forward)
    {
        (_layer, _forward) = (layer, forward);
        var before = layer.register_forward_pre_hook((_, input) => Before(input, applies));
        var after = layer.register_forward_hook((_, _, output) => After(output));
        _removals = [before.remove, after.remove];
        _hooks = LayerHooks.Of(layer);
    }

    /// <summary>Whether the layer has hooks of somebody else, and is not replaced.</summary>
    public bool HasOtherHooks => _hooks.Sum(hooks => hooks.Count) > _removals.Length;

    public void Dispose() => Array.ForEach(_removals, remove => remove());

    private Tensor Before(Tensor input, Func<bool> applies)
    {
        TakeInput();        // left behind by a pass that threw
        if (!applies() || HasOtherHooks)
            return input;
        _input = input;
        _layer.eval();
        return input.narrow(0, 0, 0);
    }

    private Tensor After(Tensor output)
    {
        if (TakeInput() is not { } input)
            return output;
        output.Dispose();
        return _forward(input);
    }

    private Tensor? TakeInput()
    {
        if (_input is null)
            return null;
        Tensor input = _input;
        _input = null;
        _layer.train();
        return input;
    }
}
