using System.Reflection;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The native half of TorchSharp's modules. TorchSharp 0.107 leaves it behind when a convolution or a linear layer is disposed, and when
/// any module is collected: about a kilobyte a layer, which adds up where a process trains again and again.
/// </summary>
internal static class NativeModule
{
    // Not public; where a later TorchSharp has other names, it has to free them itself.
    private static readonly FieldInfo? Handle = Field("handle"), Boxed = Field("boxedModule");

    /// <summary>Disposes a network with all its layers.</summary>
    public static void DisposeAll(nn.Module network)
    {
        nn.Module[] modules = [network, .. network.modules()];
        network.Dispose();
        foreach (nn.Module module in modules)
            Release(module);
    }

    /// <summary>Frees the native half of one module, which cannot be used afterwards; its parameters are not touched.</summary>
    public static void Release(nn.Module module)
    {
        if (Handle?.GetValue(module) is SafeHandle { IsInvalid: false } handle)
            handle.Dispose();
        (Boxed?.GetValue(module) as IDisposable)?.Dispose();
    }

    private static FieldInfo? Field(string name) => typeof(nn.Module).GetField(name, BindingFlags.Instance | BindingFlags.NonPublic);
}
