namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Random numbers that depend on a seed and nothing else: not on the process, the thread count or what torch has drawn before.
/// </summary>
internal static class SeededRandom
{
    /// <summary>
    /// An independent generator for each seed and list of numbers, such as the epoch and what it is for. Neighbouring numbers are mixed
    /// (SplitMix64, Steele et al. 2014), since <see cref="Random"/> is similar for similar seeds.
    /// </summary>
    public static Random Create(int seed, params ReadOnlySpan<int> stream)
    {
        ulong state = Mix((uint)seed);
        foreach (int number in stream)
            state = Mix(state ^ (uint)number);
        return new Random((int)(state >> 33));
    }

    private static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
