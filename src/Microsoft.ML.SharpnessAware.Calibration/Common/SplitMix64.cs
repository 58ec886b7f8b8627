namespace Microsoft.ML.SharpnessAware;

/// <summary>SplitMix64: 64 random bits from a state of 64 bits, well mixed even for neighbouring states (Steele, Lea and Flood 2014, "Fast
/// splittable pseudorandom number generators").</summary>
internal static class SplitMix64
{
    /// <summary>Moves the state on and returns its bits, mixed.</summary>
    public static ulong Next(ref ulong state)
    {
        state += 0x9E3779B97F4A7C15;
        ulong value = state;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
