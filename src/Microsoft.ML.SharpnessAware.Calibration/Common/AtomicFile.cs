namespace Microsoft.ML.SharpnessAware;

/// <summary>Files that are either complete or not there, whatever happens while they are written.</summary>
internal static class AtomicFile
{
    /// <summary>
    /// Writes beside the target, flushes to disk, and renames: a failure leaves what was there before and nothing else. Folders are
    /// created. A link stays, and what it leads to is written.
    /// </summary>
    /// <param name="path">The target.</param>
    /// <param name="write">Writes the content. What it throws that is not about the file is passed on as it is.</param>
    /// <param name="temporary">The name to write under; null makes one that nobody else has. A fixed name leaves one file at most where the
    /// process is killed again and again, and keeps a second writer out.</param>
    /// <param name="previous">The name that the file that was there gets; null deletes it.</param>
    /// <exception cref="IOException">The file cannot be written: no permission, no space, in use, or a device or a pipe, whose place it
    /// would take. The message names the target.</exception>
    public static void Write(string path, Action<FileStream> write, string? temporary = null, string? previous = null)
    {
        string named = Path.GetFullPath(path);
        try
        {
            string target = Target(named), folder = Path.GetDirectoryName(target) ?? target;
            Directory.CreateDirectory(folder);
            temporary ??= Path.Combine(folder, $".{Path.GetRandomFileName()}.tmp");
            // Opened outside of WriteAndRename's try, so that a file that is another writer's is not deleted.
            WriteAndRename(new FileStream(temporary, FileMode.Create, FileAccess.ReadWrite, FileShare.None), write, target, previous);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"'{named}' cannot be written, and what was there before is unchanged. {e.Message}", e);
        }
    }

    /// <summary>
    /// Tries whether <see cref="Write"/> could write there now, so that hours of work do not end in an error: the folder is created if need
    /// be, and a file beside the target, which is deleted again.
    /// </summary>
    /// <exception cref="IOException">It could not; the message names the target.</exception>
    public static void CheckWritable(string path)
    {
        string named = Path.GetFullPath(path);
        try
        {
            string target = Target(named);
            if (Directory.Exists(target) || Path.EndsInDirectorySeparator(named))
                throw new IOException("It is a folder, not the name of a file.");
            string folder = Path.GetDirectoryName(target) ?? target;
            Directory.CreateDirectory(folder);
            using var probe = new FileStream(Path.Combine(folder, $".{Path.GetRandomFileName()}.tmp"), FileMode.CreateNew, FileAccess.Write,
                FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
            probe.WriteByte(0);
            probe.Flush(flushToDisk: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"'{named}' cannot be written. {e.Message}", e);
        }
    }

    /// <summary>The path itself, or what a link leads to: a file, or nothing yet.</summary>
    private static string Target(string path) => SpecialFile.Is(path)
        ? throw new IOException("It is a device, a pipe or a socket, whose place a file would take. Give the name of a file.")
        : RealPath.ToWrite(path) ?? throw new IOException("It is a link that leads round in a circle.");

    private static void WriteAndRename(FileStream file, Action<FileStream> write, string target, string? previous)
    {
        try
        {
            using (file)
            {
                write(file);
                file.Flush(flushToDisk: true);
            }

            if (previous is not null && File.Exists(target))
                File.Move(target, previous, overwrite: true);
            File.Move(file.Name, target, overwrite: true);
        }
        catch
        {
            File.Delete(file.Name);
            throw;
        }
    }
}
