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
    /// <exception cref="InvalidOperationException">A GPU was asked for, none is usable, and <c>MLContext.FallbackToCpu</c> is off; or the
    /// number of the GPU is negative.</exception>
    public static Device Choose(string? requested, int? gpuDeviceId, bool fallBackToCpu)
    {
        NativeBackend.EnsureLoaded();
        if (requested is null)
        {
            if (gpuDeviceId < 0)
            {
                throw new InvalidOperationException(
                    $"MLContext.GpuDeviceId is {gpuDeviceId}, and 0 is the first GPU. Set it to null to choose automatically; for the " +
                    "CPU name the device 'cpu'.");
            }
            if (gpuDeviceId is int gpu)
                return Gpu(gpu, $"MLContext.GpuDeviceId is {gpu}", fallBackToCpu);
            return cuda.is_available() ? new Device(DeviceType.CUDA, 0) : CPU;
        }
        if (requested == "cpu")
            return CPU;
        return Gpu(GpuIndex(requested, "Device"), $"Device is '{requested}'", fallBackToCpu);
    }

    /// <summary>Checks a device's name without loading libtorch.</summary>
    /// <param name="requested">The name; null chooses automatically.</param>
    /// <param name="parameter">What it was given as.</param>
    /// <exception cref="ArgumentException">The name is none of cpu, cuda, cuda:N.</exception>
    public static void CheckName(string? requested, string parameter = "Device")
    {
        if (requested is not (null or "cpu"))
            GpuIndex(requested, parameter);
    }

    private static int GpuIndex(string requested, string parameter)
    {
        if (requested == "cuda")
            return 0;
        if (requested.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(requested.AsSpan(5), out int index) && index >= 0)
            return index;
        throw new ArgumentException(
            $"{parameter} is '{requested}'; it must be 'cpu', 'cuda' or 'cuda:N', or null to choose automatically.", parameter);
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
