using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Microsoft.ML.SharpnessAware.Gpu;

/// <summary>Loads the libraries of a libtorch that lies anywhere, and TorchSharp's bridge against them.</summary>
/// <remarks>
/// A library that is loaded already serves whoever asks for its name, so TorchSharp finds these when its bridge asks for libtorch.so. They
/// find each other, and the libraries of CUDA in the packages nvidia-* beside PyTorch, by the paths that are written in them. Where those
/// do not lead there, the library that is missing is looked for in these packages and loaded first.
/// </remarks>
internal static partial class TorchLibraries
{
    private const string Bridge = "libLibTorchSharp.so";
    private const int ResolveAllNow = 2;

    private static readonly string[] InOrder = ["libc10.so", "libtorch_cpu.so", "libc10_cuda.so", "libtorch_cuda.so", "libtorch.so"];
    private static readonly string[] OfCudaOnly = ["libc10_cuda.so", "libtorch_cuda.so"];

    public static bool HasCuda(string folder) => File.Exists(Path.Combine(folder, "libtorch_cuda.so"));

    /// <exception cref="CannotBeginException">The folder has no libtorch, or a library does not load.</exception>
    public static void Load(string folder)
    {
        folder = Path.GetFullPath(folder);
        if (!File.Exists(Path.Combine(folder, "libtorch.so")))
        {
            throw new CannotBeginException($"There is no libtorch.so in '{folder}'. The folder must be the one that has libtorch.so, " +
                "libtorch_cpu.so and libc10.so: torch/lib of PyTorch, or lib of a libtorch.");
        }
        foreach (string name in InOrder.Where(name => !OfCudaOnly.Contains(name) || HasCuda(folder)))
            Load(Path.Combine(folder, name), folder, []);
        LoadBridge(folder);
        CheckLoadedFrom(folder);
    }

    private static void Load(string path, string folder, HashSet<string> tried)
    {
        while (true)
        {
            try
            {
                NativeLibrary.Load(path);
                return;
            }
            catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
            {
                string reason = LastLine(e.Message);
                string? needed = Missing().Match(reason) is { Success: true } match ? match.Groups["name"].Value : null;
                if (needed is not null && tried.Add(needed) && FindOfNvidia(needed, folder) is { } found)
                    Load(found, folder, tried);
                else
                    throw DoesNotLoad(path, reason, needed);
            }
        }
    }

    /// <summary>A library of the packages nvidia-*, which lie beside the folder torch.</summary>
    private static string? FindOfNvidia(string name, string folder)
    {
        string packages = Path.Combine(folder, "..", "..", "nvidia");
        return Directory.Exists(packages)
            ? Directory.EnumerateFiles(packages, name, SearchOption.AllDirectories).Select(Path.GetFullPath).FirstOrDefault()
            : null;
    }

    private static CannotBeginException DoesNotLoad(string path, string reason, string? needed) => new(
        $"{path} does not load: {reason}. " + needed switch
        {
            null => "If the file is damaged or of another kind of machine, install PyTorch again.",
            "libcuda.so.1" => "That is the NVIDIA driver's: install it, and in a container pass the GPU in (docker run --gpus all).",
            _ => $"Nothing here has {needed}: install PyTorch with the packages nvidia-* that it asks for (pip install torch brings them).",
        });

    /// <summary>Loads the bridge and looks for all functions that it calls, where usually each is looked for when it is called.</summary>
    private static void LoadBridge(string folder)
    {
        string path = Path.Combine(AppContext.BaseDirectory, Bridge);
        LastError();        // finding this function takes calls that would end with the error forgotten
        if (OpenLibrary(path, ResolveAllNow) != 0)
            return;
        string reason = Marshal.PtrToStringUTF8(LastError()) ?? "no reason was given";
        throw new CannotBeginException($"TorchSharp's {Bridge} does not fit the libtorch in '{folder}': {reason}. " +
            (reason.Contains("undefined symbol", StringComparison.Ordinal)
                ? "That is a libtorch of another version: TorchSharp 0.107 was built for 2.10. Install PyTorch 2.10."
                : "Unpack the package again; if that does not help, this Linux is too old for it."));
    }

    /// <summary>Two libtorches in a process do not know of each other's tensors.</summary>
    private static void CheckLoadedFrom(string folder)
    {
        string[] loaded = [.. File.ReadLines("/proc/self/maps").Where(line => line.EndsWith("/libtorch_cpu.so", StringComparison.Ordinal))
            .Select(line => Path.GetDirectoryName(line[line.IndexOf('/')..])!).Distinct()];
        if (loaded.Length != 1)
            throw new CannotBeginException(
                $"libtorch_cpu.so of '{folder}' was to be loaded; loaded are those of: {string.Join(", ", loaded)}.");
    }

    private static string LastLine(string message) =>
        message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)[^1].TrimEnd('.');

    [GeneratedRegex("""^(?<name>\S+): cannot open shared object file: No such file""")]
    private static partial Regex Missing();

    [DllImport("libdl.so.2", EntryPoint = "dlopen")]
    private static extern nint OpenLibrary([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [DllImport("libdl.so.2", EntryPoint = "dlerror")]
    private static extern nint LastError();
}
