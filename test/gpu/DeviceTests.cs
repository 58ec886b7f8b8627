using Microsoft.ML.SharpnessAware.Tests;
using Microsoft.Testing.Platform.Builder;

namespace Microsoft.ML.SharpnessAware.Gpu;

/// <summary>The tests of the category GPU, run by MSTest in this process, which has libtorch loaded.</summary>
internal static class DeviceTests
{
    /// <summary>Runs them.</summary>
    /// <returns>Whether none failed.</returns>
    public static async Task<bool> Run(string device)
    {
        Environment.SetEnvironmentVariable(DeviceUnderTest.Variable, device);
        Environment.SetEnvironmentVariable("TESTINGPLATFORM_TELEMETRY_OPTOUT", "1");
        string results = Path.Combine(Path.GetTempPath(), $"mlsharpness-gpu-{Environment.ProcessId}");
        try
        {
            ITestApplicationBuilder builder = await TestApplication.CreateBuilderAsync(
                ["--no-banner", "--output", "detailed", "--progress", "off", "--results-directory", results]);
            builder.AddMSTest(static () => [typeof(DeviceTests).Assembly]);
            using ITestApplication application = await builder.BuildAsync();
            return await application.RunAsync() == 0;
        }
        finally
        {
            if (Directory.Exists(results))
                Directory.Delete(results, recursive: true);
        }
    }
}
