namespace Microsoft.ML.SharpnessAware.Tests.Training;

[TestClass]
public sealed class CheckpointFileTests
{
    /// <summary>On a faster disk, say; a rename from one file system to another would not be all or nothing.</summary>
    [TestMethod]
    public void ACheckpointBehindALinkLiesThereWithTheOneBefore()
    {
        using var folder = new TemporaryFolder();
        string there = Directory.CreateDirectory(folder.File("there")).FullName, link = folder.File("run.ckpt");
        Links.Make(link, Path.Combine("there", "fast.ckpt"));

        new CheckpointFile(link).Write(writer => writer.Write(1));
        new CheckpointFile(link).Write(writer => writer.Write(2));

        Assert.AreEqual(2, Read(link));
        File.Delete(Path.Combine(there, "fast.ckpt"));
        Assert.AreEqual(1, Read(link));
        CollectionAssert.AreEqual(new[] { "run.ckpt" }, folder.FileNames());
        Assert.AreEqual(Path.Combine("there", "fast.ckpt"), new FileInfo(link).LinkTarget);
    }

    private static int Read(string path)
    {
        int state = 0;
        Assert.IsTrue(new CheckpointFile(path).Read((reader, _) => state = reader.ReadInt32(), channel: null));
        return state;
    }
}
