using System.Globalization;
using System.Runtime.InteropServices;

namespace Microsoft.ML.SharpnessAware.Gpu;

/// <summary>NVIDIA's driver, asked why there is no device.</summary>
internal static class CudaDriver
{
    private const int Success = 0, NoDevice = 100, SystemDriverMismatch = 803, CompatNotSupported = 804;

    private delegate int Initialize(uint flags);

    private delegate int GetVersion(out int version);

    /// <summary>What is wrong, and what to do.</summary>
    /// <param name="cudaOfPyTorch">The version of CUDA that PyTorch was built for, such as 12.8; empty where it is not known.</param>
    public static string Problem(string cudaOfPyTorch)
    {
        if (!NativeLibrary.TryLoad("libcuda.so.1", out nint driver))
        {
            return "there is no NVIDIA driver (libcuda.so.1 is not found). Install it, and in a container pass the GPU in " +
                "(docker run --gpus all).";
        }
        return Function<Initialize>(driver, "cuInit")(0) switch
        {
            Success => $"the driver is for CUDA {Version(driver)}" +
                (cudaOfPyTorch.Length > 0 ? $", and PyTorch was built for CUDA {cudaOfPyTorch}" : "") +
                ". Install a newer driver, or PyTorch for an older CUDA; does python3 -c \"import torch; torch.ones(1).cuda()\" work?",
            NoDevice => "the NVIDIA driver finds no GPU. Look at nvidia-smi, and whether CUDA_VISIBLE_DEVICES hides it.",
            SystemDriverMismatch or CompatNotSupported => "the NVIDIA driver's library and kernel module are of different versions. " +
                "Restart the machine, or install the driver again.",
            int error => $"the NVIDIA driver does not start (cuInit gives error {error}). Look at nvidia-smi.",
        };
    }

    private static string Version(nint driver) => Function<GetVersion>(driver, "cuDriverGetVersion")(out int version) == Success
        ? string.Create(CultureInfo.InvariantCulture, $"{version / 1000}.{version % 1000 / 10}")
        : "an unknown version";

    private static T Function<T>(nint library, string name) where T : Delegate =>
        Marshal.GetDelegateForFunctionPointer<T>(NativeLibrary.GetExport(library, name));
}
