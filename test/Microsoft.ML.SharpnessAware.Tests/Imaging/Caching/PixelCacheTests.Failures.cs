using static Microsoft.ML.SharpnessAware.Tests.TestRows;

namespace Microsoft.ML.SharpnessAware.Tests;

// What is damaged is noticed, and what fails leaves no file.
public sealed partial class PixelCacheTests
{
    [TestMethod]
    public void EveryFlippedByteIsNoticedAndTheFileWrittenAgain()
    {
        IDataView data = Images(3);
        using ImageDataset memory = Load(data, cache: null);
        Load(data).Dispose();
        string path = Single();
        byte[] whole = File.ReadAllBytes(path);
        for (int at = 0; at < whole.Length; at++)
        {
            byte[] damaged = [.. whole];
            damaged[at] ^= 0x10;
            AssertRebuilt(data, memory, path, damaged, whole);
        }
    }

    [TestMethod]
    public void EveryFileThatIsTooShortOrTooLongIsNoticedAndWrittenAgain()
    {
        IDataView data = Images(3);
        using ImageDataset memory = Load(data, cache: null);
        Load(data).Dispose();
        string path = Single();
        byte[] whole = File.ReadAllBytes(path);
        for (int length = 0; length < whole.Length; length++)
            AssertRebuilt(data, memory, path, whole[..length], whole);
        AssertRebuilt(data, memory, path, [.. whole, 0], whole);
        AssertRebuilt(data, memory, path, [.. whole, .. whole], whole);
    }

    [TestMethod]
    public void BadImagesLeaveNoFileAndTheSameError()
    {
        IDataView data = Files(Grey(1), [], Grey(2), "no image"u8.ToArray());
        Assert.AreEqual(Error(() => Load(data, cache: null)), Error(() => Load(data)));
        Assert.HasCount(0, _folder.FileNames());
    }

    [TestMethod]
    public void ACancelledReadingLeavesNoFile()
    {
        int rows = 0;
        Assert.ThrowsExactly<OperationCanceledException>(() => ImageDataset.Load(
            Images(9), "Image", "Label", new(2, 2), () => { if (++rows == 5) throw new OperationCanceledException(); }, cache: Cache()));
        Assert.HasCount(0, _folder.FileNames());
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(9)]
    [DataRow(20)]
    public void AFullDiskIsAnErrorThatNamesTheFolderAndLeavesNoFile(int room)
    {
        var cache = new PixelCache(_folder.Path) { OpenTemporary = path => new FullDisk(path, room) };
        var error = Assert.ThrowsExactly<IOException>(() => Load(Images(5), cache: cache));
        Assert.AreEqual(
            $"The images cannot be cached in the folder '{_folder.Path}' (WorkspacePath): No space left on device. Make room there, " +
                "choose another folder, or leave WorkspacePath null, which keeps the pixels in memory.", error.Message);
        Assert.HasCount(0, _folder.FileNames());
    }

    [TestMethod]
    public void AFolderThatCannotBeWrittenToIsAnErrorThatNamesIt()
    {
        string file = _folder.File("file");
        File.WriteAllText(file, "");
        string below = Path.Combine(file, "cache");
        StringAssert.Contains(
            Assert.ThrowsExactly<IOException>(() => Load(Images(2), cache: new PixelCache(below))).Message,
            $"the folder '{below}' (WorkspacePath)");

        var readOnly = new PixelCache(_folder.Path) { OpenTemporary = _ => throw new UnauthorizedAccessException("Access is denied.") };
        StringAssert.Contains(Assert.ThrowsExactly<IOException>(() => Load(Images(2), cache: readOnly)).Message,
            "Access is denied. Make room");
    }

    [TestMethod]
    public void WhatAKilledProcessLeftIsNeverUsedAndGoesWhenTheNextFileIsWritten()
    {
        IDataView data = Images(3);
        Load(data).Dispose();
        string left = _folder.File("pixels-abandoned.cache.tmp"), fresh = _folder.File("pixels-fresh.cache.tmp");
        File.Copy(Single(), left);
        File.Copy(Single(), fresh);
        File.Delete(Directory.GetFiles(_folder.Path, "*.cache").Single());
        File.SetLastWriteTimeUtc(left, DateTime.UtcNow.AddHours(-1));

        Load(data).Dispose();
        StringAssert.Contains(_log[^1], New);
        Assert.IsFalse(File.Exists(left));
        Assert.IsTrue(File.Exists(fresh), "it may be one that was just made");
    }

    /// <summary>As on Windows, where access is denied to the place of a file that another process has mapped.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void AFileThatAnotherProcessHasJustMappedIsTakenInTheWrittensPlace(bool isDamaged)
    {
        IDataView data = Images(3);
        using ImageDataset memory = Load(data, cache: null);
        var refusing = new PixelCache(_folder.Path, _log.Add)
        {
            Move = (_, path) =>
            {
                Load(data).Dispose();
                if (isDamaged)
                    File.WriteAllBytes(path, [.. File.ReadAllBytes(path).Select((value, at) => at == 0 ? (byte)~value : value)]);
                throw new UnauthorizedAccessException("Access to the path is denied.");
            },
        };
        if (isDamaged)
        {
            StringAssert.Contains(Assert.ThrowsExactly<IOException>(() => Load(data, cache: refusing)).Message, "is denied. Make room");
        }
        else
        {
            using ImageDataset mapped = Load(data, cache: refusing);
            AssertSame(memory, mapped);
            StringAssert.Contains(_log[^1], New);
        }

        Assert.HasCount(1, _folder.FileNames());
    }

    [TestMethod]
    public void AFileInUseThatCannotBeDeletedIsNamedAndTheOthersAreDeleted()
    {
        Load(Images(3)).Dispose();
        Load(Images(4)).Dispose();
        string used = Directory.GetFiles(_folder.Path)[0];
        var cache = new PixelCache(_folder.Path)
        {
            MappedFilesStay = true,
            DeleteFile = path =>
            {
                if (path == used)
                    throw new UnauthorizedAccessException("Access to the path is denied.");
                File.Delete(path);
            },
        };
        string error = Assert.ThrowsExactly<IOException>(() => cache.Delete()).Message;
        StringAssert.StartsWith(error, $"'{used}' cannot be deleted: Access to the path is denied. If a training uses it");
        CollectionAssert.AreEqual(new[] { Path.GetFileName(used) }, _folder.FileNames());
    }

    private void AssertRebuilt(IDataView data, ImageDataset memory, string path, byte[] damaged, byte[] whole)
    {
        File.WriteAllBytes(path, damaged);
        _log.Clear();
        using (ImageDataset mapped = Load(data))
            AssertSame(memory, mapped);
        StringAssert.Contains(_log[0], Damaged);
        StringAssert.Contains(_log[1], New);
        CollectionAssert.AreEqual(whole, File.ReadAllBytes(path));
    }

    /// <summary>A file on a disk that has room for so many bytes.</summary>
    private sealed class FullDisk(string path, int room) : FileStream(path, FileMode.CreateNew, FileAccess.Write)
    {
        public override void Write(byte[] array, int offset, int count)
        {
            if (Position + count > room)
                throw new IOException("No space left on device");
            base.Write(array, offset, count);
        }

        public override void Write(ReadOnlySpan<byte> buffer) => Write(buffer.ToArray(), 0, buffer.Length);
    }
}
