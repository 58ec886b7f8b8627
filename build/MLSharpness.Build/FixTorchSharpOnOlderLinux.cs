using System.Runtime.InteropServices;
using Microsoft.Build.Framework;
using Task = Microsoft.Build.Utilities.Task;

namespace MLSharpness.Build;

/// <summary>
/// Makes the copies of <c>libLibTorchSharp.so</c> in an output folder load on Linux distributions older than GCC 13
/// (Debian 12, Ubuntu 22.04, RHEL 9).
/// </summary>
/// <remarks>
/// TorchSharp 0.107's native library needs the symbol <c>std::ios_base_library_init()</c> in version GLIBCXX_3.4.32, which those
/// distributions' libstdc++ does not have. The symbol only forces the set-up of iostreams, which libtorch does anyway.
/// See <see cref="LibTorchSharpImage"/> for what is rewritten. A copy that was rewritten already, or needs no rewriting, is left alone.
/// </remarks>
public sealed class FixTorchSharpOnOlderLinux : Task
{
    /// <summary>The copies to look at. Never the package's own file: it is shared by every project.</summary>
    [Required]
    public required ITaskItem[] Libraries { get; set; }

    /// <summary><see langword="true"/> rewrites even where this machine's libstdc++ is new enough, for output that runs on an older
    /// one.</summary>
    public bool Force { get; set; }

    public override bool Execute()
    {
        if (!Force && SystemHasTheSymbol())
            return true;

        foreach (ITaskItem library in Libraries)
        {
            string path = library.GetMetadata("FullPath");
            byte[] image = OutputFile.Read(path);
            if (LibTorchSharpImage.RemoveNewLibraryRequirement(image))
            {
                OutputFile.Replace(path, image);
                Log.LogMessage(MessageImportance.High, $"TorchSharp on older Linux: {path} no longer needs GLIBCXX_3.4.32.");
            }
        }
        return !Log.HasLoggedErrors;
    }

    private static bool SystemHasTheSymbol() =>
        !NativeLibrary.TryLoad("libstdc++.so.6", out nint library)
        || NativeLibrary.TryGetExport(library, LibTorchSharpImage.MissingSymbol, out _);
}
