using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>
/// Where the tests of this folder compute: on the CPU, or on what an environment variable names. The package of test/gpu runs the same
/// tests on a GPU.
/// </summary>
internal static class DeviceUnderTest
{
    /// <summary>The category of the tests that take their device from here.</summary>
    public const string Category = "GPU";

    /// <summary>The variable: "cpu", "cuda" or "cuda:N".</summary>
    public const string Variable = "MLSHARPNESS_TEST_DEVICE";

    public static string Name => Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } name ? name : "cpu";

    public static Device Device => device(Name);

    public static bool IsCuda => Device.type == DeviceType.CUDA;

    /// <summary>Products and convolutions of float32 in full, and not with the 10 bits that GPUs take for convolutions of
    /// themselves.</summary>
    public static void ComputeInFullPrecision()
    {
        if (cuda.is_available())
            backends.cuda.matmul.allow_tf32 = backends.cudnn.allow_tf32 = false;
    }
}
