using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Seeds TorchSharp's global generator for a training and puts the application's state back afterwards.</summary>
internal sealed class TorchRandomState : IDisposable
{
    private readonly Tensor _before;

    public TorchRandomState(int seed)
    {
        _before = random.get_rng_state().DetachFromDisposeScope();
        random.manual_seed(seed);
    }

    public void Dispose()
    {
        random.set_rng_state(_before);
        _before.Dispose();
    }
}
