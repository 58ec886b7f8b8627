using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Where a network runs.</summary>
internal static class ComputeDevice
{
    /// <summary>
    /// The device that <paramref name="requested"/> names ("cpu", "cuda", "cuda:1"). Without a name: the GPU of
    /// <c>MLContext.GpuDeviceId</c>, else the first GPU where the application brought a CUDA backend, else the CPU.
    /// </summary>
    /// <exception cref="InvalidOperationException">A GPU was asked for, none is usable, and <c>MLContext.FallbackToCpu</c> is
    /// off.</exception>
    public static Device Choose(string? requested, int? gpuDeviceId, bool fallBackToCpu)
    {
        NativeBackend.EnsureLoaded();
        if (requested is null)
        {
            if (gpuDeviceId is int gpu)
                return Gpu(gpu, $"MLContext.GpuDeviceId is {gpu}", fallBackToCpu);
            return cuda.is_available() ? new Device(DeviceType.CUDA, 0) : CPU;
        }
        if (requested == "cpu")
            return CPU;
        return Gpu(GpuIndex(requested), $"Device is '{requested}'", fallBackToCpu);
    }

    /// <summary>Checks a device's name without loading libtorch.</summary>
    /// <exception cref="ArgumentException">The name is none of cpu, cuda, cuda:N.</exception>
    public static void CheckName(string? requested)
    {
        if (requested is not (null or "cpu"))
            GpuIndex(requested);
    }

    private static int GpuIndex(string requested)
    {
        if (requested == "cuda")
            return 0;
        if (requested.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(requested.AsSpan(5), out int index) && index >= 0)
            return index;
        throw new ArgumentException($"Device is '{requested}'; it must be 'cpu', 'cuda' or 'cuda:N', or null to choose automatically.",
            "Device");
    }

    private static Device Gpu(int index, string request, bool fallBackToCpu)
    {
        if (cuda.is_available() && index < cuda.device_count())
            return new Device(DeviceType.CUDA, index);
        if (fallBackToCpu)
            return CPU;
        throw new InvalidOperationException(
            $"{request}, but " +
            $"{(cuda.is_available() ? $"this machine has {cuda.device_count()} CUDA device(s)" : "no CUDA device is usable")}" +
            ". Reference a CUDA backend of TorchSharp, or set MLContext.FallbackToCpu.");
    }
}
