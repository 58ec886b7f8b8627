namespace Microsoft.ML.SharpnessAware.Tests.Training;

[TestClass]
public sealed class CheckpointFileTests
{
    private const int PlaceOfVersion = sizeof(ulong);

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

    /// <summary>Nothing is lost by doing what the message says: an update goes on with the one, and the other is no checkpoint.</summary>
    [TestMethod]
    [DataRow("newer", "is a checkpoint of version 99, and this library reads versions 1 to ", "Update the library")]
    [DataRow("a model", "is not a checkpoint", "Choose another CheckpointPath.")]
    [DataRow("short", "is not a checkpoint", "Choose another CheckpointPath.")]
    [DataRow("empty", "is not a checkpoint", "Choose another CheckpointPath.")]
    public void AFileThatMayBeOfUseIsNotToBeDeleted(string kind, string problem, string advice)
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("run.ckpt");
        WriteNoCheckpoint(path, kind);
        File.WriteAllBytes(path + ".previous", Damaged(Written(folder.File("another.ckpt"))));

        string message = Refused(path);
        StringAssert.Contains(message, $"'{path}' {problem}");
        StringAssert.Contains(message, advice);
        StringAssert.Contains(message, "hoose another CheckpointPath");
        Assert.DoesNotContain("elete", message);
    }

    /// <summary>The second checkpoint of a training that went on from the one before would replace it.</summary>
    [TestMethod]
    [DataRow("newer", "is a checkpoint of version 99, and this library reads versions 1 to ", "Update the library")]
    [DataRow("a model", "is not a checkpoint", "Choose another CheckpointPath.")]
    [DataRow("short", "is not a checkpoint", "Choose another CheckpointPath.")]
    public void AFileThatMayBeOfUseIsNotPassedOverForTheCheckpointBefore(string kind, string problem, string advice)
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("run.ckpt");
        File.WriteAllBytes(path + ".previous", Written(path));
        WriteNoCheckpoint(path, kind);
        byte[] before = File.ReadAllBytes(path);

        string message = Refused(path);
        StringAssert.Contains(message, $"'{path}' {problem}");
        StringAssert.Contains(message, advice);
        Assert.DoesNotContain("elete", message);
        CollectionAssert.AreEqual(before, File.ReadAllBytes(path));
    }

    [TestMethod]
    [DataRow("damaged")]
    [DataRow("zeros")]
    [DataRow("seven bytes")]
    [DataRow("empty")]
    [DataRow("missing")]
    public void WhereNothingIsLostTheCheckpointBeforeIsRead(string kind)
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("run.ckpt");
        byte[] content = Written(path);
        File.WriteAllBytes(path + ".previous", content);
        File.Delete(path);
        if (kind != "missing")
        {
            File.WriteAllBytes(path, kind switch
            {
                "empty" => [],
                "zeros" => new byte[content.Length],
                "seven bytes" => content[..7],
                _ => Damaged(content),
            });
        }

        Assert.AreEqual(1, Read(path));
    }

    [TestMethod]
    [DataRow(false, "checksum")]
    [DataRow(true, "checksum")]
    [DataRow(true, "ends early")]
    public void OfDamagedCheckpointsAllAreNamedThatAreInTheWay(bool withPrevious, string damage)
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("run.ckpt");
        byte[] damaged = Written(path);
        damaged = damage == "checksum" ? Damaged(damaged) : damaged[..20];
        File.WriteAllBytes(path, damaged);
        if (withPrevious)
            File.WriteAllBytes(path + ".previous", damaged);

        string message = Refused(path);
        StringAssert.Contains(message, damage);
        StringAssert.Contains(message, $"delete '{path}'{(withPrevious ? $" and '{path}.previous'" : "")}, to train from the beginning");
        File.Delete(path);
        File.Delete(path + ".previous");
        Assert.IsFalse(new CheckpointFile(path).Read((_, _) => { }, channel: null));
    }

    private static void WriteNoCheckpoint(string path, string kind)
    {
        byte[] content = Written(path);
        BitConverter.GetBytes(99).CopyTo(content, PlaceOfVersion);
        File.WriteAllBytes(path, kind switch
        {
            "newer" => content, "a model" => [.. "PK"u8, .. content], "short" => "notes"u8.ToArray(), _ => [],
        });
    }

    private static byte[] Written(string path)
    {
        new CheckpointFile(path).Write(writer => writer.Write(1));
        return File.ReadAllBytes(path);
    }

    private static byte[] Damaged(byte[] content)
    {
        content[^1] ^= 1;
        return content;
    }

    private static string Refused(string path) => Assert.ThrowsExactly<InvalidDataException>(
        () => new CheckpointFile(path).Read((_, _) => { }, channel: null)).Message;

    private static int Read(string path)
    {
        int state = 0;
        Assert.IsTrue(new CheckpointFile(path).Read((reader, _) => state = reader.ReadInt32(), channel: null));
        return state;
    }
}
