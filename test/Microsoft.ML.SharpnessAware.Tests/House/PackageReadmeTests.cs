using MLSharpness.Build;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>The gallery shows a package's README far from the repository.</summary>
[TestClass]
public sealed class PackageReadmeTests
{
    private const string Page = """
        [a](docs/a.md#part), [up](../SECURITY.md), [b `[x]`](c), [out](https://example.org/x), [here](#limits), x[1](2)
        ![picture](images/p.png) <img src="images/q.png" width="400" alt="Two bars">
        """;

    [TestMethod]
    public void RelativeLinksLeadToTheRepositoryAtThatCommit() => Assert.AreEqual("""
        [a](https://host/o/r/blob/abc/src/docs/a.md#part), [up](https://host/o/r/blob/abc/SECURITY.md), [b `[x]`](https://host/o/r/blob/abc/src/c), [out](https://example.org/x), [here](#limits), x[1](https://host/o/r/blob/abc/src/2)
        ![picture](https://host/o/r/raw/abc/src/images/p.png) ![Two bars](https://host/o/r/raw/abc/src/images/q.png)
        """, PackageReadme.WithAbsoluteLinks(Page, "src", "https://host/o/r.git", "abc"));

    [TestMethod]
    public void WithoutAnAddressNoLinkIsDead() => Assert.AreEqual("""
        a, up, b `[x]`, [out](https://example.org/x), [here](#limits), x1

        """ + " ", PackageReadme.WithAbsoluteLinks(Page, ".", "", "main"));

    [TestMethod]
    [DataRow("README.md")]
    [DataRow("src/Microsoft.ML.SharpnessAware.Calibration/README.md")]
    [DataRow("src/Microsoft.ML.SharpnessAware.Imaging/README.md")]
    [DataRow("src/Microsoft.ML.SharpnessAware.Onnx/README.md")]
    [DataRow("src/MLSharpness.Cli/README.md")]
    public void EachLinkOfAPackagesPageLeadsSomewhere(string page)
    {
        string folder = page.Contains('/', StringComparison.Ordinal) ? page[..page.LastIndexOf('/')] : ".";
        string text = File.ReadAllText(Path.Combine(Repository.Root, page));
        string absolute = PackageReadme.WithAbsoluteLinks(text, folder, "https://here", "x");

        int start = 0, links = 0;
        for (; (start = absolute.IndexOf("(https://here/", start, StringComparison.Ordinal)) >= 0; start++, links++)
        {
            string target = absolute[(start + "(https://here/".Length)..absolute.IndexOf(')', start)].Split('#')[0];
            string local = Path.Combine(Repository.Root, target[(target.IndexOf("/x/", StringComparison.Ordinal) + 3)..]);
            Assert.IsTrue(File.Exists(local) || Directory.Exists(local), local);
        }

        Assert.IsGreaterThan(0, links);
    }
}
