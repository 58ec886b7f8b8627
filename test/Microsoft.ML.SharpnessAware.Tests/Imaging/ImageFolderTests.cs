using System.Text;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using SkiaSharp;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class ImageFolderTests
{
    private readonly List<string> _warnings = [];
    private MLContext _context = null!;
    private string _folder = "";

    [TestInitialize]
    public void CreateFolder()
    {
        _folder = Directory.CreateTempSubdirectory("images").FullName;
        _context = new MLContext(1);
        _context.Log += (_, message) =>
        {
            if (message.Kind == ChannelMessageKind.Warning)
                _warnings.Add(message.RawMessage);
        };
    }

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void SubFoldersAreLabelsInOrdinalOrderWithPathsAndBytes()
    {
        string[] files = ["Dog/b.PNG", "Dog/a.jpeg", "Cat/z.webp", "Cat/10.gif", "Cat/9.bmp", "cattle/x.jpg"];
        foreach (string file in files)
            Write(file, "content of " + file);

        IDataView data = Load(_folder);
        var rows = _context.Data.CreateEnumerable<Row>(data, reuseRowObject: false).ToArray();
        string[] expected = ["Cat/10.gif", "Cat/9.bmp", "Cat/z.webp", "Dog/a.jpeg", "Dog/b.PNG", "cattle/x.jpg"];
        CollectionAssert.AreEqual(expected, rows.Select(row => Path.GetRelativePath(_folder, row.ImagePath).Replace('\\', '/')).ToArray());
        CollectionAssert.AreEqual(new[] { "Cat", "Cat", "Cat", "Dog", "Dog", "cattle" }, rows.Select(row => row.Label).ToArray());
        string[] contents = [.. rows.Select(row => Encoding.UTF8.GetString(row.Image))];
        CollectionAssert.AreEqual(expected.Select(file => "content of " + file).ToArray(), contents);
        Assert.AreEqual(6, data.GetRowCount());
        Assert.IsEmpty(_warnings);
    }

    [TestMethod]
    public void FilesAreReadOnlyWhenTheirImageIsAskedFor()
    {
        Write("a/1.png", "x");
        IDataView data = Load(_folder);
        File.Delete(Path.Combine(_folder, "a/1.png"));
        CollectionAssert.AreEqual(new[] { "a" }, data.GetColumn<string>("Label").ToArray());
        Assert.ThrowsExactly<InvalidOperationException>(() => data.GetColumn<byte[]>("Image").ToArray());
    }

    [TestMethod]
    public void HiddenFilesAreIgnoredAndForeignOnesNamedInTheLog()
    {
        Write("a/1.png", "x");
        Write("a/.2.png", "x");
        Write("a/notes.txt", "x");
        Write("a/deeper/3.png", "x");
        Write(".git/4.png", "x");
        Write("readme.md", "x");
        Directory.CreateDirectory(Path.Combine(_folder, "empty"));
        Assert.AreEqual(1, Load(_folder).GetRowCount());
        string log = string.Join("\n", _warnings);
        foreach (string named in new[] { "notes.txt", "deeper", "readme.md", "no class 'empty'" })
            StringAssert.Contains(log, named);
        Assert.HasCount(3, _warnings);
    }

    [TestMethod]
    public void AFolderWithoutImagesIsAnErrorThatSaysWhatIsMissing()
    {
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Load(_folder)).Message, "has no sub-folders");
        Write("a/notes.txt", "x");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Load(_folder)).Message, "have no images");
        string missing = Path.Combine(_folder, "nowhere");
        StringAssert.Contains(Assert.ThrowsExactly<DirectoryNotFoundException>(() => Load(missing)).Message, missing);
        Assert.ThrowsExactly<ArgumentException>(() => Load(""));
    }

    [TestMethod]
    public void AnUndecodableFileIsNamedWhenTheDataSetIsLoaded()
    {
        File.WriteAllBytes(Write("a/1.png", ""), TestImages.Encode(4, 4, (_, _) => SKColors.Red));
        string bad = Write("b/2.png", "not an image");
        IDataView data = Load(_folder);
        data = _context.Transforms.Conversion.MapValueToKey("Label").Fit(data).Transform(data);
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => ImageDataset.Load(data, "Image", "Label", new())).Message;
        StringAssert.Contains(message, $"Column 'Image', row 1 (counting from 0), '{bad}': the 12 bytes are not an image");
    }

    private IDataView Load(string folder) => _context.Data.LoadImagesFromFolder(folder);

    private string Write(string file, string content)
    {
        string path = Path.Combine(_folder, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        return path;
    }

    private sealed class Row
    {
        public string Label { get; set; } = "";

        public string ImagePath { get; set; } = "";

        public byte[] Image { get; set; } = [];
    }
}
