using System.Text.RegularExpressions;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Links from one page to another, and to a section of it.</summary>
[TestClass]
public sealed partial class PageLinkTests
{
    [TestMethod]
    public void EachLinkLeadsToAFileAndToASectionThatItHas()
    {
        List<string> dead = [];
        int links = 0;
        foreach (string page in Pages())
        {
            foreach (Match link in Link().Matches(File.ReadAllText(page)))
            {
                links++;
                string target = link.Groups["file"].Length == 0 ? page
                    : Path.GetFullPath(Path.Combine(Path.GetDirectoryName(page)!, link.Groups["file"].Value));
                if (!Path.Exists(target))
                    dead.Add($"{page}: {link.Value} leads nowhere");
                else if (link.Groups["section"].Length > 0 && target.EndsWith(".md", StringComparison.Ordinal)
                    && !Sections(target).Contains(link.Groups["section"].Value))
                {
                    dead.Add($"{page}: {link.Value} names a section that is not there");
                }
            }
        }

        Assert.IsEmpty(dead, string.Join(Environment.NewLine, dead));
        Assert.IsGreaterThan(100, links);
    }

    private static IEnumerable<string> Pages() =>
    [
        .. Directory.EnumerateFiles(Repository.Root, "*.md"), .. Directory.EnumerateFiles(Path.Combine(Repository.Root, "docs"), "*.md"),
        .. Directory.EnumerateDirectories(Path.Combine(Repository.Root, "src"))
            .Select(folder => Path.Combine(folder, "README.md")).Where(File.Exists),
    ];

    /// <summary>The names by which a page's headings can be linked to, as GitHub makes them.</summary>
    private static HashSet<string> Sections(string page) =>
    [
        .. Heading().Matches(File.ReadAllText(page)).Select(heading => NoLetter().Replace(
            LinkedText().Replace(heading.Groups["text"].Value.Trim(), "$1").ToLowerInvariant(), "").Replace(' ', '-')),
    ];

    // Not to another site.
    [GeneratedRegex("""\]\((?!\w+:)(?<file>[^)#\s]*)(?:#(?<section>[^)\s]+))?\)""")]
    private static partial Regex Link();

    [GeneratedRegex("^#+ (?<text>.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex("""\[([^\]]*)\]\([^)]*\)""")]
    private static partial Regex LinkedText();

    [GeneratedRegex("""[^\w\- ]""")]
    private static partial Regex NoLetter();
}
