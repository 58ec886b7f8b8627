using System.Diagnostics;
using System.Text;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Names that .NET cannot read, and names that differ in nothing a human sees.</summary>
[TestClass]
public sealed class FolderNameTests
{
    private readonly List<string> _warnings = [];
    private readonly MLContext _context = new(1);
    private TemporaryFolder _folder = null!;

    [TestInitialize]
    public void CreateFolder()
    {
        _folder = new TemporaryFolder();
        _context.CollectWarnings(_warnings);
    }

    [TestCleanup]
    public void DeleteFolder()
    {
        if (!OperatingSystem.IsWindows())
            Shell("rm -rf .[!.]* *"); // .NET cannot delete what it cannot name
        _folder.Dispose();
    }

    [TestMethod]
    [DataRow(@"caf\351.jpg", "cat/caf\uFFFD.jpg")]
    [DataRow(@"\377\376.PNG", "cat/\uFFFD\uFFFD.PNG")]
    [DataRow(@"long \303.gif", "cat/long \uFFFD.gif")]
    public void AnImageWhoseNameIsNotUtf8IsAnErrorThatNamesIt(string bytes, string named)
    {
        Write("cat/1.jpg");
        Shell($"printf x > \"$(printf 'cat/{bytes}')\"");
        string message = Assert.ThrowsExactly<InvalidDataException>(() => Load()).Message;
        StringAssert.Contains(message, "1 names");
        StringAssert.Contains(message, "not UTF-8");
        StringAssert.Contains(message, $": {named}. ");
        StringAssert.Contains(message, $"convmv -f latin1 -t utf8 -r --notest '{_folder.Path}'");
    }

    [TestMethod]
    [DataRow("", @"caf\351", "caf\uFFFD/")]
    [DataRow("cat/", @"caf\351", "cat/caf\uFFFD/")]
    public void AFolderWhoseNameIsNotUtf8IsAnErrorThatNamesIt(string parent, string bytes, string named)
    {
        Write("cat/1.jpg");
        Shell($"d=\"$(printf '{parent}{bytes}')\"; mkdir -p \"$d\"; printf x > \"$d/1.jpg\"");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Load()).Message, $": {named}. ");
    }

    [TestMethod]
    public void OtherFilesWhoseNameIsNotUtf8AreNamedAmongTheForeignOnes()
    {
        Write("cat/1.jpg");
        Shell(@"printf x > ""$(printf 'cat/r\351sum\351.txt')""; printf x > ""$(printf 'cat/.\351.jpg')""; " +
            @"printf x > ""$(printf 'no class \351.jpg')""");
        Assert.AreEqual(1, Load().GetRowCount());
        StringAssert.EndsWith(_warnings.Single(), "left out: cat/r\uFFFDsum\uFFFD.txt, no class \uFFFD.jpg");
    }

    [TestMethod]
    public void ALinkToANameThatIsNotUtf8IsFollowedWhereItIsAFile()
    {
        Write("cat/1.jpg");
        Shell(@"mkdir -p .out; printf x > ""$(printf '.out/\351.jpg')""; printf y > ""$(printf '.out/\350.jpg')""; " +
            @"ln -s ""$(printf '../.out/\351.jpg')"" cat/2.jpg; ln -s ""$(printf '../.out/\350.jpg')"" cat/3.jpg");
        CollectionAssert.AreEqual(
            new[] { "cat/1.jpg", "x", "y" }, Load().GetColumn<byte[]>("Image").Select(Encoding.UTF8.GetString).ToArray());

        Shell(@"mkdir -p ""$(printf '.out/d\351')""; ln -s ""$(printf '../.out/d\351')"" cat/deeper");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Load()).Message, ": cat/deeper/. ");
    }

    [TestMethod]
    public void ANameThatReallyHasTheReplacementCharacterIsAName()
    {
        Write("caf\uFFFD/\uFFFD.jpg");
        CollectionAssert.AreEqual(new[] { "caf\uFFFD" }, Load().GetColumn<string>("Label").ToArray());
        Assert.IsEmpty(_warnings);
    }

    [TestMethod]
    public void LabelsThatDifferInCaseOrInTheCodeOfAnAccentAreNamedInAWarning()
    {
        foreach (string folder in new[] { "caf\u00E9", "cafe\u0301", "Cat", "cat", "CAT ", "dog", "\u00E9cole", "ecole" })
            Write(folder + "/1.jpg");
        if (Directory.GetDirectories(_folder.Path).Length < 8)
            Assert.Inconclusive("This file system takes some of these names for the same.");
        CollectionAssert.AreEqual(
            new[] { "CAT ", "Cat", "cafe\u0301", "caf\u00E9", "cat", "dog", "ecole", "\u00E9cole" },
            Load().GetColumn<string>("Label").ToArray());
        Assert.HasCount(1, _warnings);
        StringAssert.Contains(_warnings[0], "'CAT ', 'Cat', 'cat'");
        StringAssert.Contains(_warnings[0], "'cafe\u0301', 'caf\u00E9'");
        Assert.DoesNotContain("dog", _warnings[0]);
        Assert.DoesNotContain("ecole", _warnings[0]);
    }

    [TestMethod]
    public void LabelsMayBeAnyText()
    {
        Write("\uD83D\uDE00/1.jpg");
        IDataView data = _context.Data.LoadImagesFromFolder(_folder.Path, path => "a lone surrogate \uD83D");
        CollectionAssert.AreEqual(new[] { "a lone surrogate \uD83D" }, data.GetColumn<string>("Label").ToArray());
        Assert.IsEmpty(_warnings);
    }

    private IDataView Load() => _context.Data.LoadImagesFromFolder(_folder.Path);

    private void Write(string path)
    {
        string full = Path.Combine(_folder.Path, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, path);
    }

    private void Shell(string script)
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Names are UTF-16 on Windows.");
        using Process shell = Process.Start(new ProcessStartInfo("sh", ["-c", script]) { WorkingDirectory = _folder.Path })!;
        shell.WaitForExit();
        if (shell.ExitCode != 0)
            Assert.Inconclusive("The file system takes no such names.");
    }
}
