using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The native libtorch behind TorchSharp, which the application brings.</summary>
internal static class NativeBackend
{
    private static volatile bool _loaded;

    /// <summary>Loads libtorch, or says in one exception what to add.</summary>
    /// <exception cref="InvalidOperationException">libtorch is missing or cannot be loaded; the inner exception is
    /// TorchSharp's.</exception>
    public static void EnsureLoaded()
    {
        if (_loaded)
            return;
        try
        {
            using Tensor probe = empty(1, device: CPU);
            _loaded = true;
        }
        catch (Exception e) when (e is TypeInitializationException or DllNotFoundException or BadImageFormatException
                                      or EntryPointNotFoundException or NotSupportedException or FileNotFoundException)
        {
            throw new InvalidOperationException(
                "TorchSharp's native library libtorch could not be loaded. Add one backend package to the application: " +
                $"{CpuPackage()} for the CPU, or TorchSharp-cuda-linux or TorchSharp-cuda-windows for an NVIDIA GPU. " +
                "If the package is there already, the system may lack a library that it needs: on Linux, 'ldd libLibTorchSharp.so' in " +
                "the output folder names it; a missing GLIBCXX_3.4.32 is cured by building with -p:TorchSharpOnOlderLinux=true.", e);
        }
    }

    private static string CpuPackage() =>
        OperatingSystem.IsWindows() ? "libtorch-cpu-win-x64"
        : OperatingSystem.IsMacOS() ? "libtorch-cpu-osx-arm64"
        : "libtorch-cpu-linux-x64";
}
