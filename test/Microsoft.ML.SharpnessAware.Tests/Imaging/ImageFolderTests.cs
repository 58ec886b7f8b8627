using System.Text;
using Microsoft.ML.Data;
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
        _context.CollectWarnings(_warnings);
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
        StringAssert.Contains(
            Assert.ThrowsExactly<FileNotFoundException>(() => data.GetColumn<byte[]>("Image").ToArray()).Message,
                Path.Combine(_folder, "a/1.png"));
    }

    [TestMethod]
    public void HiddenFilesAreIgnoredAndForeignOnesNamedInOneWarning()
    {
        Write("a/1.png", "x");
        Write("a/.2.png", "x");
        Write("a/notes.txt", "x");
        Write("a/deeper/list.csv", "x");
        Write(".git/4.png", "x");
        Write("readme.md", "x");
        Write("loose.png", "x");
        Directory.CreateDirectory(Path.Combine(_folder, "empty"));
        Assert.AreEqual(1, Load(_folder).GetRowCount());
        Assert.HasCount(2, _warnings);
        StringAssert.Contains(_warnings[0], $"4 files of '{_folder}' are not images of a class and are left out: a/deeper/list.csv, " +
            "a/notes.txt, loose.png, readme.md");
        StringAssert.Contains(_warnings[1], "have no images, so they are not classes: empty");
    }

    [TestMethod]
    public void AWarningNamesTwentyFilesAndCountsAll()
    {
        Write("a/1.png", "x");
        for (int i = 0; i < 25; i++)
            Write($"a/notes {i:00}.txt", "x");
        Load(_folder);
        StringAssert.Contains(_warnings.Single(), "25 files of");
        StringAssert.EndsWith(_warnings.Single(), "a/notes 19.txt, …");
    }

    [TestMethod]
    public void ImagesOfDeeperFoldersBelongToTheFirstOne()
    {
        foreach (string file in new[] { "dog/b.png", "cat/outdoors/night/1.png", "cat/2.png", "cat/indoors/3.png" })
            Write(file, "x");
        AssertRows(Load(_folder), "cat: cat/2.png", "cat: cat/indoors/3.png", "cat: cat/outdoors/night/1.png", "dog: dog/b.png");
        Assert.IsEmpty(_warnings);
    }

    [TestMethod]
    public void AFlatFolderTakesItsLabelsFromTheFileNames()
    {
        foreach (string file in new[] { "dog_1.png", "cat-2.jpg", "cat 10.gif", "more/cat3.png", "dog.webp", "7.png" })
            Write(file, "x");
        AssertRows(_context.Data.LoadImagesFromFolder(_folder, ImageLabel.FileName),
            "cat: cat 10.gif", "cat: cat-2.jpg", "cat: more/cat3.png", "dog: dog.webp", "dog: dog_1.png");
        StringAssert.Contains(_warnings.Single(), "left out: 7.png");
    }

    [TestMethod]
    public void LabelsMayComeFromAnyFunctionOfThePath()
    {
        foreach (string file in new[] { "2023/dog/1.png", "2024/cat/2.png", "2024/3.png" })
            Write(file, "x");
        AssertRows(_context.Data.LoadImagesFromFolder(_folder, path => path.Split('/') is [_, string label, _] ? label : null),
            "cat: 2024/cat/2.png", "dog: 2023/dog/1.png");
        Assert.AreEqual("class 1", ImageLabel.FileNameBefore("_")("x/class 1_2_3.png"));
        Assert.IsNull(ImageLabel.FileNameBefore("_")("x_y/1.png"));
    }

    [TestMethod]
    public void ALinkToAFolderAboveIsLeftOut()
    {
        Write("a/1.png", "x");
        try
        {
            Directory.CreateSymbolicLink(Path.Combine(_folder, "a", "back"), _folder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Assert.Inconclusive("Links cannot be made here: " + exception.Message);
        }
        AssertRows(Load(_folder), "a: a/1.png");
        StringAssert.Contains(_warnings.Single(), "a/back");
    }

    [TestMethod]
    public void AFolderWithoutImagesIsAnErrorThatSaysWhatIsMissing()
    {
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Load(_folder)).Message, "has no images (.png");
        Write("notes.txt", "x");
        Write("1.png", "x");
        string message = Assert.ThrowsExactly<InvalidDataException>(() => Load(_folder)).Message;
        StringAssert.Contains(message, "A label is the name of the sub-folder");
        StringAssert.Contains(message, "Left out: 1.png, notes.txt.");
        StringAssert.Contains(message, "If this folder is a class itself, name the folder that it lies in.");
        string missing = Path.Combine(_folder, "nowhere");
        StringAssert.Contains(Assert.ThrowsExactly<DirectoryNotFoundException>(() => Load(missing)).Message, missing);
        Assert.ThrowsExactly<ArgumentException>(() => Load(""));
    }

    private void AssertRows(IDataView data, params string[] expected) => CollectionAssert.AreEqual(expected,
        data.GetColumn<string>("Label").Zip(data.GetColumn<string>("ImagePath"),
            (label, path) => $"{label}: {Path.GetRelativePath(_folder, path).Replace('\\', '/')}").ToArray());

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
