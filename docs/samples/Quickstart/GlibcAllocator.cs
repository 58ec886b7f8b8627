using System.Runtime.InteropServices;

namespace Quickstart;

/// <summary>
/// On Linux, lets the C library keep freed memory: a training step otherwise hands hundreds of megabytes back to the system and asks for
/// them again, which costs about a fifth of its time. It holds for the whole process, so it is an application's choice.
/// </summary>
internal static partial class GlibcAllocator
{
    private const int TrimThreshold = -1, TopPad = -2, MmapThreshold = -3;

    public static void KeepFreedMemory()
    {
        if (!OperatingSystem.IsLinux())
            return;
        try
        {
            SetOption(MmapThreshold, 1 << 30);
            SetOption(TrimThreshold, 2_000_000_000);
            SetOption(TopPad, 64 << 20);
        }
        catch (EntryPointNotFoundException)
        {
            // Another C library (musl): nothing to tune.
        }
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int SetOption(int option, int value);
}
