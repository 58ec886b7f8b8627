using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Gives the second pass of a step the random numbers of the first, so that both see the same dropout mask, and leaves the generator as the
/// first pass left it.
/// </summary>
/// <remarks>
/// The CPU generator's state is 5 kB, so this costs microseconds where nothing is random. TorchSharp cannot save the state of a CUDA
/// generator; there both passes start from a seed that is drawn from the CPU generator.
/// </remarks>
internal sealed class RepeatedRandomness
{
    private readonly bool _cuda;
    private readonly long _cudaSeed;
    private readonly Tensor _atStart;

    /// <summary>Remembers where the first pass starts. The instance belongs to the current dispose scope.</summary>
    public RepeatedRandomness(Device device)
    {
        _cuda = device.type == DeviceType.CUDA;
        if (_cuda)
        {
            _cudaSeed = randint(long.MaxValue, [1], dtype: ScalarType.Int64, device: CPU).item<long>();
            cuda.manual_seed_all(_cudaSeed);
        }
        _atStart = random.get_rng_state();
    }

    /// <summary>Runs the second pass with the random numbers of the first.</summary>
    public T Repeat<T>(Func<T> pass)
    {
        Tensor afterFirstPass = random.get_rng_state();
        random.set_rng_state(_atStart);
        if (_cuda)
            cuda.manual_seed_all(_cudaSeed);
        try
        {
            return pass();
        }
        finally
        {
            random.set_rng_state(afterFirstPass);
        }
    }
}
