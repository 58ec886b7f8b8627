using System.Runtime.InteropServices;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>
/// Counts how often something waits for the GPU, by libtorch's own account: PyTorch's <c>torch.cuda.set_sync_debug_mode("warn")</c>, which
/// TorchSharp does not have, sets a number in libc10_cuda.so, and every wait then writes a line to the standard error output.
/// </summary>
internal static class HostSynchronizations
{
    // c10::cuda::warning_state(), a variable in a function: an enumeration of 0 (off), 1 (warn) and 2 (throw).
    private const string ModeVariable = "_ZZN3c104cuda13warning_stateEvE14warning_state_";
    private const string Warning = "called a synchronizing CUDA operation";
    private const int Off = 0, Warn = 1;

    public static int Count(Action action)
    {
        nint mode = ModeAddress();
        string path = Path.GetTempFileName();
        try
        {
            using (new RedirectedStandardError(path))
            {
                Marshal.WriteInt32(mode, Warn);
                try
                {
                    action();
                }
                finally
                {
                    Marshal.WriteInt32(mode, Off);
                }
            }
            return File.ReadAllText(path).Split(Warning).Length - 1;
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static nint ModeAddress()
    {
        string library = File.ReadLines("/proc/self/maps").Select(line => line[Math.Max(0, line.IndexOf('/'))..])
            .FirstOrDefault(path => Path.GetFileName(path) == "libc10_cuda.so") ?? "libc10_cuda.so";
        return NativeLibrary.TryGetExport(NativeLibrary.Load(library), ModeVariable, out nint address)
            ? address
            : throw new NotSupportedException($"{library} does not export c10::cuda::warning_state, by which waits are counted.");
    }

    /// <summary>Descriptor 2 of the process, which native code writes to, led into a file.</summary>
    private sealed class RedirectedStandardError : IDisposable
    {
        private const int StandardError = 2;
        private readonly int _before;

        public RedirectedStandardError(string path)
        {
            _before = dup(StandardError);
            using FileStream file = File.OpenWrite(path);
            _ = dup2((int)file.SafeFileHandle.DangerousGetHandle(), StandardError);
        }

        public void Dispose()
        {
            _ = dup2(_before, StandardError);
            _ = close(_before);
        }

        [DllImport("libc")]
        private static extern int dup(int descriptor);

        [DllImport("libc")]
        private static extern int dup2(int descriptor, int target);

        [DllImport("libc")]
        private static extern int close(int descriptor);
    }
}
