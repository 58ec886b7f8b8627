namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Random numbers that depend on a seed and nothing else: not on the process, the thread count or what torch has drawn before.
/// </summary>
internal static class SeededRandom
{
    /// <summary>
    /// An independent generator for each seed and list of numbers, such as the epoch and what it is for. Neighbouring numbers are mixed
    /// (<see cref="SplitMix64"/>), since <see cref="Random"/> is similar for similar seeds.
    /// </summary>
    public static Random Create(int seed, params ReadOnlySpan<int> stream)
    {
        ulong state = Mix((uint)seed);
        foreach (int number in stream)
            state = Mix(state ^ (uint)number);
        return new Random((int)(state >> 33));
    }

    private static ulong Mix(ulong value) => SplitMix64.Next(ref value);
}
