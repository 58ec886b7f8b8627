namespace MLSharpness.Cli;

/// <summary>Files that a command will write at its end, tried at its beginning.</summary>
internal static class OutputFile
{
    /// <summary>The full path of a file that can be written.</summary>
    /// <param name="path">As it was given; folders that are missing are made.</param>
    /// <param name="option">The option to name in an error.</param>
    /// <param name="example">The name of such a file, for who has given a folder; null where the name is not the user's.</param>
    /// <exception cref="IOException">It is a folder, or nothing can be written there.</exception>
    public static string Check(string path, string option, string? example)
    {
        if (string.IsNullOrWhiteSpace(path))
            throw new IOException($"{option} needs the name of a file.");
        string full = Path.GetFullPath(path);
        if (Directory.Exists(full) || Path.EndsInDirectorySeparator(full))
            throw new IOException($"{option} '{path}' is a folder. " + (example is null ? "Move it, or give --out another name."
                : $"Give the name of a file in it, for example '{Path.Combine(path, example)}'."));
        string folder = Path.GetDirectoryName(full)!;
        try
        {
            Directory.CreateDirectory(folder);
            string trial = Path.Combine(folder, $".{Path.GetRandomFileName()}.tmp");
            new FileStream(trial, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose).Dispose();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"{option} '{path}' cannot be written: {exception.Message}", exception);
        }

        return full;
    }
}
