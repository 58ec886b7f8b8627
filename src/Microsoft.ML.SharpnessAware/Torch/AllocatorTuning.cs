using System.Runtime.InteropServices;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Settings of the C library's memory allocator that make training on the CPU faster.</summary>
public static partial class AllocatorTuning
{
    // The names of <malloc.h>.
    private const int TrimThreshold = -1, TopPad = -2, MmapThreshold = -3;

    private const int LargestFromHeap = 1 << 30, KeptFree = 2_000_000_000, GrowthStep = 64 << 20;

    /// <summary>
    /// On Linux with glibc, lets the C library keep the memory that a training step frees. Otherwise each step hands hundreds of megabytes
    /// back to the system and asks for them again, page by page, which costs about a fifth of its time. Elsewhere it does nothing.
    /// </summary>
    /// <remarks>It holds for the whole process, which then keeps up to 2 GB that it does not use, so it is the application's choice. Call
    /// it once at start, before the first tensor is made.</remarks>
    /// <returns>Whether the settings were accepted.</returns>
    public static bool KeepFreedMemory()
    {
        if (!OperatingSystem.IsLinux())
            return false;
        try
        {
            return SetOption(MmapThreshold, LargestFromHeap) == 1 & SetOption(TrimThreshold, KeptFree) == 1 & SetOption(TopPad,
                GrowthStep) == 1;
        }
        catch (EntryPointNotFoundException)
        {
            return false;       // another C library (musl): nothing to tune
        }
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int SetOption(int option, int value);
}
