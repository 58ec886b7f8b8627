using System.Diagnostics;

namespace Microsoft.ML.SharpnessAware.Tests.Reliability;

/// <summary>A file system of its own in memory, as small as asked and read-only when asked. Needs the right to mount: root, on
/// Linux.</summary>
internal sealed class SmallDisk : IDisposable
{
    private SmallDisk()
    {
    }

    public TemporaryFolder Folder { get; } = new();

    /// <summary>Mounts one, or ends the test as inconclusive.</summary>
    public static SmallDisk Mount(int kilobytes)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("Only tried on Linux, where a small file system can be mounted.");
        var disk = new SmallDisk();
        if (Run("mount", "-t", "tmpfs", "-o", $"size={kilobytes}k", "tmpfs", disk.Folder.Path) == 0)
            return disk;
        disk.Folder.Dispose();
        Assert.Inconclusive("This user may not mount a file system; run as root to try a full disk and a read-only one.");
        throw new UnreachableException();
    }

    public void MakeReadOnly() => Assert.AreEqual(0, Run("mount", "-o", "remount,ro", Folder.Path));

    /// <summary>Takes all space.</summary>
    public void Fill()
    {
        using FileStream filler = File.Create(Folder.File("filler"));
        byte[] block = new byte[4096];
        while (new DriveInfo(Folder.Path).AvailableFreeSpace > 0)
        {
            filler.Write(block);
            filler.Flush();
        }
    }

    public void Dispose()
    {
        Run("umount", Folder.Path);
        Folder.Dispose();
    }

    private static int Run(string program, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
            process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return -1;
        }
    }
}
