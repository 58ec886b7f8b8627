namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class RealPathTests
{
    private readonly TemporaryFolder _folder = new();

    [TestCleanup]
    public void Delete() => _folder.Dispose();

    /// <summary>What .NET says of such a folder on Windows is no path.</summary>
    [TestMethod]
    [DataRow(@"Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\")]
    [DataRow(@"volume{26a21bda-a627-11d7-9931-806e6f6e6963}\photos")]
    [DataRow(@"\\?\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\")]
    public void AFolderInWhichAVolumeIsMountedKeepsItsName(string target)
    {
        string root = RealPath.Of(_folder.Path)!, mounted = Path.Combine(root, "mounted"), link = Path.Combine(root, "link");
        Links.Make(mounted, target);
        Links.Make(link, Path.Combine("mounted", "file.txt"));

        string file = Path.Combine(mounted, "file.txt");
        Assert.AreEqual(file, RealPath.Of(file));
        Assert.AreEqual(file, RealPath.Of(link));
        Assert.AreEqual(file, RealPath.Of(root, "link"));
        Assert.AreEqual(file, RealPath.ToWrite(link));
    }

    /// <summary>.NET need not understand every kind of link that a folder may be.</summary>
    [TestMethod]
    public void AFileThatIsNoLinkIsWrittenUnderItsOwnPath()
    {
        string there = Directory.CreateDirectory(_folder.File("there")).FullName, folder = _folder.File("folder");
        Links.Make(folder, there);
        string file = Path.Combine(folder, "file.txt"), link = Path.Combine(folder, "link.txt");
        Links.Make(link, "file.txt");

        Assert.AreEqual(file, RealPath.ToWrite(file));
        Assert.AreEqual(RealPath.Of(Path.Combine(there, "file.txt")), RealPath.ToWrite(link));
    }
}
