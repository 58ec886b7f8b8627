namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class AtomicFileTests
{
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
}
