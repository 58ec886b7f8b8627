using System.Runtime.InteropServices;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>What the native library sees, which on Linux and macOS is not .NET's copy of the environment.</summary>
[TestClass]
[DoNotParallelize] // the environment is everybody's
public sealed class OnnxTelemetryTests
{
    private const string Variable = "ORT_DISABLE_TELEMETRY";

    [TestMethod]
    public void ASessionTurnsItOffUnlessTheUserHasChosen()
    {
        if (OperatingSystem.IsWindows() || Environment.GetEnvironmentVariable(Variable) is not null)
            Assert.Inconclusive("Windows has one environment, and here the variable is set already.");

        OnnxSession.Create(File.ReadAllBytes(OnnxFile.Preprocessing), "The model").Dispose();
        Assert.AreEqual("1", Native());

        try
        {
            _ = SetNative(Variable, "0", overwrite: 1);
            Environment.SetEnvironmentVariable(Variable, null);     // from here on, .NET looks into its copy
            OnnxTelemetry.TurnOff();
            Assert.AreEqual("0", Native());
        }
        finally
        {
            _ = SetNative(Variable, "1", overwrite: 1);
        }
    }

    private static string? Native() => Marshal.PtrToStringUTF8(GetNative(Variable));

    [DllImport("libc", EntryPoint = "getenv")]
    private static extern nint GetNative([MarshalAs(UnmanagedType.LPUTF8Str)] string name);

    [DllImport("libc", EntryPoint = "setenv")]
    private static extern int SetNative(
        [MarshalAs(UnmanagedType.LPUTF8Str)] string name, [MarshalAs(UnmanagedType.LPUTF8Str)] string value, int overwrite);
}
