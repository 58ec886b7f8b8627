using Microsoft.ML.Runtime;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The device that an MLContext asks for.</summary>
internal static class HostDevice
{
    /// <summary>As <see cref="ComputeDevice.Choose"/>, with the settings of the context.</summary>
    public static Device Choose(IHostEnvironment env, string? requested)
    {
        var settings = (IHostEnvironmentInternal)env;
        return ComputeDevice.Choose(requested, settings.GpuDeviceId, settings.FallbackToCpu);
    }
}
