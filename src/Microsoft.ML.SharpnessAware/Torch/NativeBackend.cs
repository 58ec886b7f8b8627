using System.Runtime.InteropServices;
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
                "TorchSharp's native library libtorch could not be loaded. " +
                WhatToDo(ThisSystem, RuntimeInformation.ProcessArchitecture), e);
        }
    }

    private static OSPlatform ThisSystem => OperatingSystem.IsWindows() ? OSPlatform.Windows
        : OperatingSystem.IsMacOS() ? OSPlatform.OSX : OSPlatform.Linux;

    /// <summary>The package with libtorch for the CPU; null where TorchSharp has no library.</summary>
    /// <param name="system">Linux, Windows or macOS.</param>
    /// <param name="processor">That of the process, which may be emulated.</param>
    internal static string? CpuPackage(OSPlatform system, Architecture processor) => (system.ToString(), processor) switch
    {
        ("LINUX", Architecture.X64) => "libtorch-cpu-linux-x64",
        ("WINDOWS", Architecture.X64) => "libtorch-cpu-win-x64",
        ("WINDOWS", Architecture.Arm64) => "libtorch-cpu-win-arm64",
        ("OSX", Architecture.Arm64) => "libtorch-cpu-osx-arm64",
        _ => null,
    };

    /// <summary>What to do where libtorch cannot be loaded.</summary>
    internal static string WhatToDo(OSPlatform system, Architecture processor) => CpuPackage(system, processor) is string package
        ? $"Add one backend package to the application: {package} for the CPU, or TorchSharp-cuda-linux or TorchSharp-cuda-windows for " +
            "an NVIDIA GPU. If the package is there already, the system may lack a library that it needs: on Linux, 'ldd " +
            "libLibTorchSharp.so' in the output folder names it; a missing GLIBCXX_3.4.32 is cured by building with " +
            "-p:TorchSharpOnOlderLinux=true. A script or notebook is not built: let it begin with NativeLibrary.Load of that file in the " +
            "output folder of a project with both packages (bin/Release/net10.0/runtimes/linux-x64/native)."
        : $"TorchSharp 0.107 has no library for this system's processor ({system}, {processor}): use x64 (docker run --platform " +
            "linux/amd64), or score with the package MLSharpness.Onnx, which needs no libtorch.";
}
