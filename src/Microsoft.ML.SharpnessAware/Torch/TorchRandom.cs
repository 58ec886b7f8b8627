using System.Buffers.Binary;
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
    /// <exception cref="InvalidDataException">It is not one. Torch would end the process: what its generator throws nobody can
    /// catch.</exception>
    public byte[] State
    {
        get => _state.bytes.ToArray();
        set
        {
            if (value.Length != _state.numel() || !IsMersenneTwister(value))
                throw new InvalidDataException("The state of the random numbers is damaged, or of another version of torch.");
            Replace(tensor(value, device: CPU).DetachFromDisposeScope());
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

    // Seed (8 bytes), numbers left (4), whether seeded (4), index of the next number (8), 624 numbers, and what is left of a normal one.
    // Torch checks less: where left and next do not belong together, it reads behind the numbers.
    private static bool IsMersenneTwister(ReadOnlySpan<byte> state)
    {
        const int Numbers = 624;
        int left = BinaryPrimitives.ReadInt32LittleEndian(state[8..]), seeded = BinaryPrimitives.ReadInt32LittleEndian(state[12..]);
        ulong next = BinaryPrimitives.ReadUInt64LittleEndian(state[16..]);
        bool isFresh = left == 1 && next == 0;
        return seeded == 1 && (isFresh || (left is >= 1 and <= Numbers && next == (ulong)(Numbers + 1 - left)));
    }

    private static Tensor GetState() => random.get_rng_state().DetachFromDisposeScope();

    private void Replace(Tensor state)
    {
        _state.Dispose();
        _state = state;
    }
}
