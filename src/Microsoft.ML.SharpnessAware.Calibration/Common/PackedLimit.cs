namespace Microsoft.ML.SharpnessAware;

/// <summary>How much a packed file may unpack to: a small one can unpack to anything.</summary>
internal static class PackedLimit
{
    // MNIST's files unpack to five times their length, and trained weights hardly shorten at all.
    private const long Always = 64 << 20;
    private const long Times = 200;

    /// <summary>Whether so many bytes are plausible: up to 64 MiB, or 200 times those that they are packed in.</summary>
    public static bool Allows(long unpacked, long packed) => unpacked <= Math.Max(Always, Times * packed);
}
