using System.Buffers.Binary;
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

    /// <summary>Sets the state of torch's generator on the CPU.</summary>
    /// <exception cref="InvalidDataException">It is not one. Torch would end the process: what its generator throws nobody can catch.</exception>
    public static void Set(byte[] state)
    {
        using Tensor current = random.get_rng_state();
        if (state.Length != current.numel() || !IsMersenneTwister(state))
            throw new InvalidDataException("The state of the random numbers is damaged, or of another version of torch.");
        using Tensor loaded = tensor(state);
        random.set_rng_state(loaded);
    }

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

    public void Dispose()
    {
        random.set_rng_state(_before);
        _before.Dispose();
    }
}
