using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Random numbers of one's own from torch's generator, which is one for the whole process.</summary>
/// <remarks>
/// Layers and dropout can only draw from that generator. So whoever draws takes it for that long: puts his own state in, draws, takes his
/// state out and puts the application's back. A lock keeps two trainings apart. Other code that draws from torch at that very moment
/// cannot be kept out, and would change both its own numbers and the training's.
/// </remarks>
internal sealed class TorchRandom : IDisposable
{
    private static readonly Lock Generator = new();

    private readonly Device _device;
    private Tensor _state;

    /// <summary>Starts from a seed.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="device">Where random numbers are drawn besides the CPU. A GPU's generator gives no state away; it is seeded from the
    /// CPU's each time that it is taken.</param>
    public TorchRandom(int seed, Device? device = null)
    {
        _device = device ?? CPU;
        _state = Isolated(() =>
        {
            random.manual_seed(seed).Dispose();
            return GetState();
        });
    }

    /// <summary>The state of the generator, as torch writes it.</summary>
    /// <exception cref="InvalidDataException">It is not a generator's state.</exception>
    public byte[] State
    {
        get => _state.bytes.ToArray();
        set
        {
            Tensor state = tensor(value).DetachFromDisposeScope();
            try
            {
                Isolated(() => random.set_rng_state(state));
            }
            catch (ExternalException e)
            {
                state.Dispose();
                throw new InvalidDataException("The random state is damaged.", e);
            }
            Replace(state);
        }
    }

    /// <summary>Draws with the application's state, and leaves that as it was.</summary>
    public static T Isolated<T>(Func<T> draw)
    {
        lock (Generator)
        {
            Tensor before = GetState();
            try
            {
                return draw();
            }
            finally
            {
                random.set_rng_state(before);
                before.Dispose();
            }
        }
    }

    /// <summary>As <see cref="Isolated{T}"/>, without a result.</summary>
    public static void Isolated(Action draw) => Isolated(() =>
    {
        draw();
        return 0;
    });

    /// <summary>Draws with this state, which goes on from there the next time.</summary>
    public T Draw<T>(Func<T> draw) => Isolated(() =>
    {
        random.set_rng_state(_state);
        if (_device.type == DeviceType.CUDA)
        {
            using Tensor seed = randint(long.MaxValue, [1], dtype: ScalarType.Int64, device: CPU);
            cuda.manual_seed_all(seed.item<long>());
        }
        try
        {
            return draw();
        }
        finally
        {
            Replace(GetState());
        }
    });

    public void Dispose() => _state.Dispose();

    private static Tensor GetState() => random.get_rng_state().DetachFromDisposeScope();

    private void Replace(Tensor state)
    {
        _state.Dispose();
        _state = state;
    }
}
