using System.Diagnostics;
using System.Net.Sockets;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class AtomicFileTests
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Shared = Private | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
    private const UnixFileMode Open = Shared | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    private readonly string _folder = Directory.CreateTempSubdirectory("atomic").FullName;

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void AFailureWhileWritingLeavesTheOldFileAndNothingElse()
    {
        string path = Path.Combine(_folder, "file.txt");
        File.WriteAllText(path, "old");
        Assert.ThrowsExactly<IOException>(() => AtomicFile.Write(path, stream =>
        {
            stream.WriteByte(1);
            throw new IOException("No space left on device");
        }));
        Assert.AreEqual("old", File.ReadAllText(path));
        Assert.HasCount(1, Directory.GetFileSystemEntries(_folder));
    }

    [TestMethod]
    public void TheOldFileIsThereUntilTheNewOneIsComplete()
    {
        string path = Path.Combine(_folder, "file.txt");
        File.WriteAllText(path, "old");
        AtomicFile.Write(path, stream =>
        {
            stream.Write("new"u8);
            Assert.AreEqual("old", File.ReadAllText(path));
        });
        Assert.AreEqual("new", File.ReadAllText(path));
        Assert.HasCount(1, Directory.GetFileSystemEntries(_folder));
    }

    /// <summary>The link is in another folder than what it leads to, and the folder of the link is reached by a link.</summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void ALinkStaysAndWhatItLeadsToIsWritten(bool isThere)
    {
        string path = Path.Combine(_folder, "deep", "deeper", "file.txt"), link = Path.Combine(_folder, "here", "link.txt");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        Directory.CreateDirectory(Path.Combine(_folder, "deep", "links"));
        Links.Make(Path.Combine(_folder, "here"), Path.Combine(_folder, "deep", "links"));
        Links.Make(link, Path.Combine("..", "deeper", "file.txt"));
        if (isThere)
            File.WriteAllText(path, "old");

        AtomicFile.CheckWritable(link);
        AtomicFile.Write(link, stream => stream.Write("new"u8));

        Assert.AreEqual("new", File.ReadAllText(path));
        Assert.AreEqual(Path.Combine("..", "deeper", "file.txt"), new FileInfo(link).LinkTarget);
        Assert.HasCount(1, Directory.GetFileSystemEntries(Path.GetDirectoryName(path)!));
        Assert.HasCount(1, Directory.GetFileSystemEntries(Path.GetDirectoryName(link)!));
    }

    /// <summary>The name that a file is written under first is short, whatever its own.</summary>
    [TestMethod]
    public void ANameThatIsTooLongIsFoundWhenItIsTried()
    {
        string name = new('x', 256), path = Path.Combine(_folder, name);
        var exception = Assert.ThrowsExactly<IOException>(() => AtomicFile.CheckWritable(path));
        StringAssert.Contains(exception.Message, $"'{path}' cannot be written");
        AtomicFile.CheckWritable(Path.Combine(_folder, name[..200]));
        Assert.IsEmpty(Directory.GetFileSystemEntries(_folder));
    }

    [TestMethod]
    public void AFolderUnderANameThatIsWrittenIsFound()
    {
        string path = Path.Combine(_folder, "file.txt");
        Directory.CreateDirectory(path + ".previous");
        StringAssert.Contains(Assert.ThrowsExactly<IOException>(() => AtomicFile.CheckWritable(path, ".previous")).Message, "is a folder");
    }

    [TestMethod]
    public void AnyNumberOfThreadsMayTryOneNameAtOnce()
    {
        string path = Path.Combine(_folder, "file.txt");
        Parallel.For(0, 8, _ =>
        {
            for (int i = 0; i < 300; i++)
                AtomicFile.CheckWritable(path, ".previous");
        });
        Assert.IsEmpty(Directory.GetFileSystemEntries(_folder));
    }

    /// <summary>Also for root, who may write everything.</summary>
    [TestMethod]
    public void AFileThatIsReadOnlyIsNotReplaced()
    {
        string path = Path.Combine(_folder, "file.txt"), link = Path.Combine(_folder, "link.txt");
        File.WriteAllText(path, "old");
        Links.Make(link, path);
        File.SetAttributes(path, FileAttributes.ReadOnly);
        foreach (string target in new[] { path, link })
        {
            foreach (Action write in new Action[] { () => AtomicFile.CheckWritable(target), () => AtomicFile.Write(target, _ => { }) })
                StringAssert.Contains(Assert.ThrowsExactly<IOException>(write).Message, "It is read-only");
        }

        Assert.AreEqual("old", File.ReadAllText(path));
        Assert.HasCount(2, Directory.GetFileSystemEntries(_folder));
        File.SetAttributes(path, FileAttributes.Normal);
        AtomicFile.CheckWritable(path);
    }

    /// <summary>Also while it is written, where an earlier process left its file, and against the process's mask.</summary>
    [TestMethod]
    [DataRow(UnixFileMode.UserRead | UnixFileMode.UserWrite)]
    [DataRow(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)]
    public void WhoMayReadAFileStaysAsItWas(UnixFileMode mode)
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Inconclusive("On Windows a file has the permissions of its folder.");
            return;
        }

        string path = Path.Combine(_folder, "file.txt"), left = path + ".tmp", previous = path + ".previous";
        File.WriteAllText(path, "old");
        File.SetUnixFileMode(path, mode);
        AtomicFile.Write(path, Write);
        Assert.AreEqual(mode, File.GetUnixFileMode(path));
        File.WriteAllText(left, "by a process that was killed");
        AtomicFile.Write(path, Write, left, previous);
        Assert.AreEqual(mode, File.GetUnixFileMode(path));
        Assert.AreEqual(mode, File.GetUnixFileMode(previous));

        void Write(FileStream file)
        {
            file.Write("new"u8);
            if (!OperatingSystem.IsWindows())
                Assert.AreEqual(mode, File.GetUnixFileMode(file.SafeFileHandle));
        }
    }

    /// <summary>What another user's killed process left under the fixed name: its permissions are not ours to change, and it may be closed
    /// to us. What was to be saved is saved, for no more readers than before.</summary>
    [TestMethod]
    [DataRow(Private, Open)]
    [DataRow(Private, Private)]
    [DataRow(Shared, Open)]
    [DataRow(Open, Shared)]
    public void AFileThatAnotherUserLeftIsNoObstacle(UnixFileMode mode, UnixFileMode ofLeft)
    {
        if (!OperatingSystem.IsLinux() || !Environment.IsPrivilegedProcess)
        {
            Assert.Inconclusive("Acting as another user takes root, on Linux.");
            return;
        }

        string path = Path.Combine(_folder, "file.txt"), left = path + ".tmp";
        File.SetUnixFileMode(_folder, Open | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        File.WriteAllText(path, "old");
        File.SetUnixFileMode(path, mode);
        File.WriteAllText(left, "by a process that was killed");
        File.SetUnixFileMode(left, ofLeft);
        OtherUser.Run(() =>
        {
            AtomicFile.CheckWritable(path);
            AtomicFile.Write(path, file => file.Write("new"u8), left);
        });
        Assert.AreEqual("new", File.ReadAllText(path));
        Assert.AreEqual((UnixFileMode)0, File.GetUnixFileMode(path) & ~mode);
    }

    [TestMethod]
    public void ALinkToItselfIsAnErrorAndStays()
    {
        string link = Path.Combine(_folder, "link.txt");
        Links.Make(link, link);
        StringAssert.Contains(Assert.ThrowsExactly<IOException>(() => AtomicFile.CheckWritable(link)).Message, "circular");
        StringAssert.Contains(Assert.ThrowsExactly<IOException>(() => AtomicFile.Write(link, _ => { })).Message, "circular");
        Assert.IsNotNull(new FileInfo(link).LinkTarget);
    }

    /// <summary>As root, a device would be gone for the whole machine.</summary>
    [TestMethod]
    [DataRow("pipe")]
    [DataRow("socket")]
    [DataRow("link")]
    public void APipeAndASocketAreRefusedAndStay(string kind)
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Windows has none among its files.");
        string path = Path.Combine(_folder, "special");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        if (kind == "socket")
            socket.Bind(new UnixDomainSocketEndPoint(path));
        else
            Process.Start("mkfifo", [path]).WaitForExit();
        string target = kind == "link" ? Path.Combine(_folder, "link") : path;
        if (kind == "link")
            Links.Make(target, path);

        foreach (Action write in new Action[] { () => AtomicFile.CheckWritable(target), () => AtomicFile.Write(target, _ => { }) })
            StringAssert.Contains(Assert.ThrowsExactly<IOException>(write).Message, $"'{target}' cannot be written");

        Assert.IsTrue(SpecialFile.Is(path));
        Assert.HasCount(kind == "link" ? 2 : 1, Directory.GetFileSystemEntries(_folder));
    }

    [TestMethod]
    public void DevicesAndOpenFilesAreSpecialAndEmptyFilesAreNot()
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Windows has no devices among its files.");
        string empty = Path.Combine(_folder, "empty");
        File.WriteAllText(empty, "");
        foreach (string special in new[] { "/dev/null", "/dev/stdout", "/dev/stderr", "/dev/fd/1" })
            Assert.IsTrue(SpecialFile.Is(special), special);
        foreach (string usual in new[] { empty, _folder, Path.Combine(_folder, "missing") })
            Assert.IsFalse(SpecialFile.Is(usual), usual);
    }
}
