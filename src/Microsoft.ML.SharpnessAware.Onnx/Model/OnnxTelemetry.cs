using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Newer packages of ONNX Runtime report its use to Microsoft, with an identifier that they keep in the user's cache folder, unless they
/// are told not to before they start. An application that scores pictures here has not asked for that, and waits a tenth of a second for
/// it.
/// </summary>
internal static partial class OnnxTelemetry
{
    // From the file Privacy.md of the package.
    private const string Variable = "ORT_DISABLE_TELEMETRY";

    /// <summary>Turns it off, unless the variable says something already.</summary>
    public static void TurnOff()
    {
        if (Environment.GetEnvironmentVariable(Variable) is not null)
            return;
        try
        {
            if (OperatingSystem.IsWindows())
                Environment.SetEnvironmentVariable(Variable, "1");
            else
                _ = SetNative(Variable, "1", overwrite: 0);
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            OrtEnv.Instance().DisableTelemetryEvents();     // all but the first event
        }
    }

    // What .NET sets is its own copy, which native libraries do not see, except on Windows.
    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetNative(string name, string value, int overwrite);
}
