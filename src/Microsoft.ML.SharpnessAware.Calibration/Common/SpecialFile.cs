using System.Formats.Tar;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Devices, pipes and sockets, whose place no file may take.</summary>
internal static class SpecialFile
{
    // What a process has open has these names, too, whatever it is.
    private static readonly string[] Opened = ["/proc/", "/dev/fd/", "/dev/stdin", "/dev/stdout", "/dev/stderr"];

    /// <summary>Whether there is something at a path that is neither a file with content of its own nor a folder.</summary>
    public static bool Is(string path)
    {
        if (OperatingSystem.IsWindows())
            return false;
        string full = Path.GetFullPath(path), real = RealPath.Of(full) ?? full;
        if (Opened.Any(name => full.StartsWith(name, StringComparison.Ordinal) || real.StartsWith(name, StringComparison.Ordinal)))
            return true;
        var file = new FileInfo(real);
        return file is { Exists: true, Length: 0, LinkTarget: null } && !IsRegular(real);       // all of them say that they are empty
    }

    /// <summary>.NET tells the kind of a file to those who archive it, without opening what is not regular.</summary>
    private static bool IsRegular(string path)
    {
        using var archive = new MemoryStream();
        try
        {
            using (var writer = new TarWriter(archive, leaveOpen: true))
                writer.WriteEntry(path, "file");
        }
        catch (Exception e) when (e is UnauthorizedAccessException or FileNotFoundException)
        {
            return true;        // or gone
        }
        catch (IOException)
        {
            return false;       // a socket
        }

        archive.Position = 0;
        using var reader = new TarReader(archive);
        return reader.GetNextEntry()?.EntryType is TarEntryType.RegularFile;
    }
}
