using System.Runtime.Versioning;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Files that are either complete or not there, whatever happens while they are written.</summary>
internal static class AtomicFile
{
    // What IOException.HResult is where a file to be created is there already.
    private const int UnixFileExists = 17, WindowsFileExists = unchecked((int)0x80070050);

    private const UnixFileMode AnyWrite = UnixFileMode.UserWrite | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    /// <summary>
    /// Writes beside the target, flushes to disk, and renames: a failure leaves what was there before and nothing else. Folders are
    /// created. A link stays, and what it leads to is written. On Unix a file that was there keeps its permission bits (fewer, where the
    /// file system does not let them be set), not its owner and group.
    /// </summary>
    /// <param name="path">The target.</param>
    /// <param name="write">Writes the content. What it throws that is not about the file is passed on as it is.</param>
    /// <param name="temporary">The name to write under; null makes one that nobody else has. A fixed name leaves one file at most where the
    /// process is killed again and again, and keeps a second writer out. Where another user left a file of that name, another name is
    /// made.</param>
    /// <param name="previous">The name that the file that was there gets; null deletes it.</param>
    /// <exception cref="IOException">The file cannot be written: no permission, read-only, no space, in use, or a device or a pipe, whose
    /// place it would take. The message names the target.</exception>
    public static void Write(string path, Action<FileStream> write, string? temporary = null, string? previous = null)
    {
        string named = Path.GetFullPath(path);
        try
        {
            string target = Target(named), folder = Path.GetDirectoryName(target) ?? target;
            RefuseReadOnly(target);
            Directory.CreateDirectory(folder);
            // Opened outside of WriteAndRename's try, so that a file that is another writer's is not deleted.
            WriteAndRename(Create(temporary, target), write, target, previous);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"'{named}' cannot be written, and what was there before is unchanged. {e.Message}", e);
        }
    }

    /// <summary>
    /// Tries whether <see cref="Write"/> could write there now, so that hours of work do not end in an error: the folder is created if need
    /// be, and a file beside the target, which is deleted again. A target that is there is opened, and left as it is; one that is not is
    /// created and deleted.
    /// </summary>
    /// <param name="path">The target.</param>
    /// <param name="suffixes">What is added to the target's name for other files that are written beside it.</param>
    /// <exception cref="IOException">It could not; the message names the target.</exception>
    public static void CheckWritable(string path, params string[] suffixes)
    {
        string named = Path.GetFullPath(path);
        try
        {
            string target = Target(named);
            if (Directory.Exists(target) || Path.EndsInDirectorySeparator(named))
                throw new IOException("It is a folder, not the name of a file.");
            CheckFolder(Path.GetDirectoryName(target) ?? target);
            foreach (string name in (string[])[target, .. suffixes.Select(suffix => target + suffix)])
                Try(name);
            if (!OperatingSystem.IsWindows() && File.Exists(target))
                TryPermissions(target);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"'{named}' cannot be written. {e.Message}", e);
        }
    }

    /// <summary>Tries whether files can be written into a folder, which is created if need be. Any number of processes may try at
    /// once.</summary>
    /// <exception cref="IOException">They cannot.</exception>
    /// <exception cref="UnauthorizedAccessException">They may not.</exception>
    public static void CheckFolder(string folder)
    {
        Directory.CreateDirectory(folder);
        using var probe = new FileStream(Path.Combine(folder, $".{Path.GetRandomFileName()}.tmp"), FileMode.CreateNew, FileAccess.Write,
            FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
        probe.WriteByte(0);
        probe.Flush(flushToDisk: true);
    }

    /// <summary>The path itself, or what a link leads to: a file, or nothing yet.</summary>
    private static string Target(string path) => SpecialFile.Is(path)
        ? throw new IOException("It is a device, a pipe or a socket, whose place a file would take. Give the name of a file.")
        : RealPath.ToWrite(path) ?? throw new IOException("It is a circular symbolic link.");

    private static void RefuseReadOnly(string target)
    {
        if (IsReadOnly(target))
            throw new IOException("It is read-only. Make it writable, or give another name.");
    }

    private static bool IsReadOnly(string file)
    {
        try
        {
            return File.Exists(file) && (OperatingSystem.IsWindows() ? File.GetAttributes(file).HasFlag(FileAttributes.ReadOnly)
                : (File.GetUnixFileMode(file) & AnyWrite) == 0);
        }
        catch (FileNotFoundException)
        {
            return false;       // another process has deleted it meanwhile
        }
    }

    // There nobody may take the place of somebody else's file.
    private static bool IsSticky(string folder) =>
        !OperatingSystem.IsWindows() && File.GetUnixFileMode(folder).HasFlag(UnixFileMode.StickyBit);

    /// <summary>Whether a file of this very name can be: it may be too long, somebody else's, or in use where that is an
    /// obstacle.</summary>
    private static void Try(string file)
    {
        if (Directory.Exists(file))
            throw new IOException($"'{file}' is a folder.");
        if (!File.Exists(file))
        {
            try
            {
                new FileStream(file, FileMode.CreateNew, FileAccess.Write, FileShare.Delete).Dispose();
            }
            catch (IOException e) when (e.HResult is UnixFileExists or WindowsFileExists)
            {
                return;     // another process tries at this moment, too
            }

            if (new FileInfo(file) is { Exists: true, Length: 0 })
                File.Delete(file);
            return;
        }

        RefuseReadOnly(file);
        try
        {
            new FileStream(file, FileMode.Open, FileAccess.Write, OperatingSystem.IsWindows() ? FileShare.None : FileShare.ReadWrite)
                .Dispose();
        }
        catch (IOException) when (!OperatingSystem.IsWindows() || !File.Exists(file))
        {
            // In use, which Unix allows, or gone.
        }
        catch (UnauthorizedAccessException) when (!OperatingSystem.IsWindows() && !IsSticky(Path.GetDirectoryName(file)!))
        {
            // Somebody else's, whose place a new file may take all the same: that is a matter of the folder.
        }
    }

    private static void TryPermissions(string target)
    {
        try
        {
            string name;
            using (FileStream file = Create(temporary: null, target))
                name = file.Name;
            File.Delete(name);
        }
        catch (FileNotFoundException)
        {
            // Another process has deleted the target meanwhile.
        }
    }

    /// <summary>The file to write to, which nobody may read who may not read the target.</summary>
    private static FileStream Create(string? temporary, string target)
    {
        try
        {
            if (temporary is not null)
                return Open(temporary, target);
        }
        catch (UnauthorizedAccessException) when (File.Exists(temporary))
        {
            // Left by another user's process; it may even be in use, so it stays.
        }

        return Open(Path.Combine(Path.GetDirectoryName(target) ?? target, $".{Path.GetRandomFileName()}.tmp"), target);
    }

    /// <summary>A file with the permission bits of the target, or with fewer where the file system does not let them be set.</summary>
    private static FileStream Open(string name, string target)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.ReadWrite, Share = FileShare.None };
        if (OperatingSystem.IsWindows() || !File.Exists(target))
            return new FileStream(name, options);
        UnixFileMode mode = File.GetUnixFileMode(target);
        bool isLeft = File.Exists(name);
        options.UnixCreateMode = mode;
        var file = new FileStream(name, options);
        try
        {
            SetMode(file, mode);
            return file;
        }
        catch
        {
            file.Dispose();
            if (!isLeft)
                File.Delete(name);
            throw;
        }
    }

    [UnsupportedOSPlatform("windows")]
    private static void SetMode(FileStream file, UnixFileMode mode)
    {
        // The process's mask takes some away, and a file that an earlier process left has those of its own.
        UnixFileMode own = File.GetUnixFileMode(file.SafeFileHandle);
        if (own == mode)
            return;
        try
        {
            File.SetUnixFileMode(file.SafeFileHandle, mode);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if ((own & ~mode) != 0)
                throw new UnauthorizedAccessException("More users could read or write the new file than the one that is there, and its "
                    + $"permissions cannot be changed. {e.Message} Write to another folder, or delete the file that is there.", e);
        }
    }

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
