using System.Diagnostics;
using System.Net.Sockets;
using SkiaSharp;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Folders with links and with things that are no files: each file is listed once, and nothing runs for ever.</summary>
[TestClass]
public sealed class FolderLinkTests
{
    private readonly List<string> _warnings = [];
    private readonly MLContext _context = new(1);
    private TemporaryFolder _folder = null!;

    [TestInitialize]
    public void CreateFolder()
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Links take a privilege on Windows.");
        _folder = new TemporaryFolder();
        _context.CollectWarnings(_warnings);
    }

    [TestCleanup]
    public void DeleteFolder() => _folder?.Dispose();

    [TestMethod]
    public void ALinkToTheFolderItselfAddsNothing()
    {
        Write("real/cat/1.jpg");
        Link("real/cat/again", Path.Combine(_folder.Path, "real"));
        Link("sym", "real");

        foreach (string name in new[] { "sym", "real", "sym/", "real/cat/again", "./real/../sym" })
        {
            _warnings.Clear();
            CollectionAssert.AreEqual(new[] { "cat: 1.jpg" }, List(name), name);
            StringAssert.Contains(_warnings.Single(), "1 links", name);
            StringAssert.EndsWith(_warnings.Single(), ": cat/again", name);
        }
    }

    [TestMethod]
    [Timeout(30_000)]
    public void LinksToTheWholeFromEachClassLeaveEveryImageInItsOwn()
    {
        for (int i = 0; i < 6; i++)
            Write($"real/dog/{i}.jpg");
        Write("real/cat/0.jpg");
        foreach (string link in new[] { "real/cat/again", "real/cat/more", "real/dog/again", "real/dog/more" })
            Link(link, Path.Combine(_folder.Path, "real"));
        Link("sym", "real");

        CollectionAssert.AreEqual(
            new[] { "cat: 0.jpg", "dog: 0.jpg", "dog: 1.jpg", "dog: 2.jpg", "dog: 3.jpg", "dog: 4.jpg", "dog: 5.jpg" }, List("sym"));
        StringAssert.EndsWith(_warnings.Single(), "cat/again, cat/more, dog/again, dog/more");
    }

    /// <summary>Windows and macOS have folders whose names differ in case only; how a link spells them counts for little there.</summary>
    [TestMethod]
    public void NamesThatDifferInCaseOnlyAreSeveralFilesUnlessALinkLeadsToThem()
    {
        foreach (string file in new[] { "real/cat/img_1.jpg", "real/cat/IMG_1.jpg", "real/Cat/1.jpg", "other/a.jpg", "other/A.jpg" })
            Write(file);
        Link("real/dog/other", "../../other");
        Link("real/dog/again.jpg", "../CAT/img_1.jpg");         // is there where case does not count
        Write("real/CAT/img_1.jpg");
        var listing = new FolderListing(Path.Combine(_folder.Path, "real"), path => path.Split('/')[0], StringComparer.OrdinalIgnoreCase);

        CollectionAssert.AreEquivalent(new[]
        {
            "cat/img_1.jpg", "cat/IMG_1.jpg", "Cat/1.jpg", "CAT/img_1.jpg", "dog/other/a.jpg", "dog/other/A.jpg",
        }, listing.Images.Select(image => image.Path).ToArray());
        CollectionAssert.AreEqual(new[] { "dog/again.jpg" }, listing.Repeated);
    }

    [TestMethod]
    public void AFileKeepsTheClassItLiesInWhateverLinksToIt()
    {
        Write("all/dog/1.jpg");
        Write("all/cat/2.jpg");
        Link("all/cat/dogs", "../dog");
        Link("all/cat/one dog.jpg", "../dog/1.jpg");

        CollectionAssert.AreEqual(new[] { "cat: 2.jpg", "dog: 1.jpg" }, List("all"));
        StringAssert.EndsWith(_warnings.Single(), ": cat/dogs, cat/one dog.jpg");
    }

    [TestMethod]
    public void ClassesAndFilesMayBeLinksToSomewhereElse()
    {
        Write("elsewhere/cats/deeper/1.jpg");
        Write("elsewhere/2.jpg");
        Write("all/.hidden/3.jpg");
        Link("all/cat", "../elsewhere/cats");
        Link("all/dog/two.jpg", "../../elsewhere/2.jpg");
        Link("all/fox", ".hidden");

        CollectionAssert.AreEqual(new[] { "cat: 1.jpg", "dog: two.jpg", "fox: 3.jpg" }, List("all"));
        Assert.IsEmpty(_warnings);
    }

    [TestMethod]
    public void WhatTwoLinksLeadToIsListedOnce()
    {
        Write("elsewhere/1.jpg");
        Write("elsewhere/deep/2.jpg");
        Link("all/cat", "../elsewhere");
        Link("all/dog", "../elsewhere/deep");
        Link("all/fox/1.jpg", "../../all/cat/../elsewhere/1.jpg");
        Link("all/owl/1.jpg", "../dog/../1.jpg");

        CollectionAssert.AreEqual(new[] { "cat: 1.jpg", "cat: 2.jpg" }, List("all"));
        StringAssert.Contains(string.Join("|", _warnings), "dog, fox/1.jpg, owl/1.jpg");
    }

    [TestMethod]
    public void ALinkToAFolderAboveIsLeftOutEvenWithOtherImagesThere()
    {
        Write("data/train/cat/1.jpg");
        Write("data/test/cat/2.jpg");
        Link("data/train/cat/up", "../../..");
        Link("data/train/dog/up", "../..");

        CollectionAssert.AreEqual(new[] { "cat: 1.jpg" }, List("data/train"));
        StringAssert.Contains(string.Join("|", _warnings), "cat/up, dog/up");
    }

    [TestMethod]
    [Timeout(30_000)]
    public void FoldersThatLinkToEachOtherEnd()
    {
        Write("all/cat/0.jpg");
        for (int i = 0; i < 5; i++)
        {
            Write($"elsewhere/{i}/{i}.jpg");
            for (int j = 0; j < 5; j++)
                Link($"elsewhere/{i}/to {j}", Path.Combine(_folder.Path, $"elsewhere/{j}"));
        }

        Link("all/dog/start", "../../elsewhere/0");
        Link("all/dog/loop", "loop");

        CollectionAssert.AreEqual(
            new[] { "cat: 0.jpg", "dog: 0.jpg", "dog: 1.jpg", "dog: 2.jpg", "dog: 3.jpg", "dog: 4.jpg" }, List("all"));
    }

    [TestMethod]
    public void ALinkToNothingIsNamedWhenImagesAreRead()
    {
        Write("all/cat/1.jpg");
        Link("all/cat/broken", "nowhere");
        Link("all/cat/2.jpg", "nowhere.jpg");

        IDataView data = Load("all");
        StringAssert.EndsWith(_warnings.Single(), "left out: cat/broken");
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => ReadImages(data)).Message;
        StringAssert.Contains(message, "cat/2.jpg'");
    }

    /// <summary>Nothing of the kind says how long it is, and opening some of them waits until somebody writes.</summary>
    [TestMethod]
    [Timeout(30_000)]
    public void PipesSocketsAndDevicesAreNeverOpened()
    {
        Write("all/cat/0.jpg");
        using (Process mkfifo = Process.Start("mkfifo", Path.Combine(_folder.Path, "all/cat/1.jpg")))
            mkfifo.WaitForExit();
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(Path.Combine(_folder.Path, "all/cat/2.jpg")));
        Link("all/cat/3.jpg", "/dev/zero");
        Link("all/cat/4.jpg", "/proc/kmsg");
        Write("all/cat/5.jpg", []);

        IDataView data = Load("all");
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => ReadImages(data)).Message;
        StringAssert.StartsWith(message, "5 of 6 images cannot be used");
        for (int i = 1; i <= 5; i++)
            StringAssert.Contains(message, $"cat/{i}.jpg': the image is empty (no bytes");
    }

    private static void ReadImages(IDataView data)
    {
        IDataView keyed = new MLContext(1).Transforms.Conversion.MapValueToKey("Label").Fit(data).Transform(data);
        ImageDataset.Load(keyed, "Image", "Label", new(4, 4)).Dispose();
    }

    private string[] List(string folder)
    {
        var rows = _context.Data.CreateEnumerable<Picture>(Load(folder), reuseRowObject: false).ToArray();
        return [.. rows.Select(row => $"{row.Label}: {Path.GetFileName(row.ImagePath)}")];
    }

    private IDataView Load(string folder) => _context.Data.LoadImagesFromFolder(Path.Combine(_folder.Path, folder));

    private void Write(string path, byte[]? content = null)
    {
        string full = Path.Combine(_folder.Path, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllBytes(full, content ?? TestImages.Encode(4, 4, (_, _) => SKColors.Red, SKEncodedImageFormat.Jpeg));
    }

    private void Link(string path, string target)
    {
        string full = Path.Combine(_folder.Path, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.CreateSymbolicLink(full, target);
    }

    private sealed class Picture
    {
        public string Label { get; set; } = "";

        public string ImagePath { get; set; } = "";
    }
}
