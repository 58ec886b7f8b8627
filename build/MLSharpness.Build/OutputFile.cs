namespace MLSharpness.Build;

/// <summary>A file in an output folder that a task rewrites.</summary>
internal static class OutputFile
{
    /// <summary>Its bytes. Where projects share an output folder (-o), another one may be copying the same file at this moment.</summary>
    public static byte[] Read(string path)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return File.ReadAllBytes(path);
            }
            catch (IOException) when (attempt < 20)
            {
                Thread.Sleep(500);
            }
        }
    }

    /// <summary>
    /// Renames a new file over the old one: the copy may be a hard link to the package's file, which must keep its bytes. The time stamp
    /// stays, so that the next build sees an up-to-date copy.
    /// </summary>
    public static void Replace(string path, byte[] image)
    {
        string temporary = $"{path}.{Environment.ProcessId}.tmp";
        File.WriteAllBytes(temporary, image);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(temporary, File.GetUnixFileMode(path));
        File.SetLastWriteTimeUtc(temporary, File.GetLastWriteTimeUtc(path));
        File.Move(temporary, path, overwrite: true);
    }
}
