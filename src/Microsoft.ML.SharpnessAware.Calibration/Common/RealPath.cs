namespace Microsoft.ML.SharpnessAware;

/// <summary>Paths without links, so that one file has one path, however it is spelt.</summary>
internal static class RealPath
{
    private const int MaxLinks = 40; // as many as Linux follows

    /// <summary>How paths are compared.</summary>
    public static StringComparer Comparer { get; } = OperatingSystem.IsWindows() || OperatingSystem.IsMacOS()
        ? StringComparer.OrdinalIgnoreCase : StringComparer.Ordinal;

    /// <summary>The full path without links of what <paramref name="path"/> leads to, whether or not it is there; null for a
    /// circle.</summary>
    public static string? Of(string path)
    {
        string full = Path.GetFullPath(path);
        return Of(Path.GetPathRoot(full)!, full);
    }

    /// <summary>
    /// The full path under which a file is to be written: its own, or where it is a link, which stays, that of what it leads to; null for a
    /// circle. Links among the folders above a file are left to the system.
    /// </summary>
    public static string? ToWrite(string path)
    {
        string full = Path.GetFullPath(path);
        return new FileInfo(full).LinkTarget is null ? full : Of(full);
    }

    /// <summary>
    /// The path without links of what <paramref name="path"/>, a full path or one from <paramref name="folder"/> on, leads to; null for a
    /// circle. The folder's own path has no links.
    /// </summary>
    public static string? Of(string folder, string path)
    {
        string real = folder;
        var left = new Stack<string>();
        Push(path);
        for (int links = 0; left.TryPop(out string? part);)
        {
            string next = Path.Combine(real, part);
            if (part is "" or ".")
                continue;
            if (part == "..")
                real = Path.GetDirectoryName(real) ?? real;
            else if (new FileInfo(next).LinkTarget is not string target || IsVolume(target))
                real = next;
            else if (++links > MaxLinks)
                return null;
            else
                Push(target);
        }

        return real;

        // On Windows a folder in which a volume is mounted is a link to the volume's own name, often not a path at all.
        static bool IsVolume(string target) =>
            target.TrimStart('\\', '?').StartsWith("Volume{", StringComparison.OrdinalIgnoreCase) &&
            target.Contains("}\\", StringComparison.Ordinal);

        void Push(string text)
        {
            if (Path.IsPathRooted(text))
            {
                real = Path.GetPathRoot(Path.GetFullPath(text))!;
                text = text[Path.GetPathRoot(text)!.Length..];
            }

            foreach (string part in text.Split(Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar).Reverse())
                left.Push(part);
        }
    }
}
