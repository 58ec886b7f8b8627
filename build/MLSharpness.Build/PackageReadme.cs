using System.Text.RegularExpressions;

namespace MLSharpness.Build;

/// <summary>Links of a Markdown page, for readers who do not stand in the repository.</summary>
internal static partial class PackageReadme
{
    /// <summary>
    /// The page with each relative link led to the repository's address. Without an address, links become their text and images go.
    /// </summary>
    /// <param name="markdown">The page.</param>
    /// <param name="folder">The page's folder in the repository, with slashes; "." for the root.</param>
    /// <param name="repositoryUrl">The address, with or without ".git"; or empty.</param>
    /// <param name="revision">A commit or branch.</param>
    public static string WithAbsoluteLinks(string markdown, string folder, string repositoryUrl, string revision)
    {
        string url = repositoryUrl.TrimEnd('/');
        url = url.EndsWith(".git", StringComparison.Ordinal) ? url[..^4] : url;

        // The gallery shows no HTML.
        markdown = HtmlImage().Replace(markdown, match => $"![{match.Groups["alt"].Value}]({match.Groups["target"].Value})");
        return Link().Replace(markdown, match =>
        {
            string target = match.Groups["target"].Value;
            if (IsElsewhere(target))
                return match.Value;
            bool image = match.Groups["image"].Length > 0;
            if (url.Length == 0)
                return image ? "" : match.Groups["text"].Value;
            return $"{match.Groups["image"].Value}[{match.Groups["text"].Value}]({Absolute(target, image ? "raw" : "blob")})";
        });

        string Absolute(string target, string kind)
        {
            var path = new Uri(new Uri($"https://root/{(folder == "." ? "" : folder + "/")}"), target);
            return $"{url}/{kind}/{revision}{path.AbsolutePath}{path.Fragment}";
        }
    }

    private static bool IsElsewhere(string target) =>
        target.StartsWith('#') || (Uri.TryCreate(target, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https" or "mailto");

    [GeneratedRegex("""(?<image>!?)\[(?<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?<target>[^()\s]+)\)""")]
    private static partial Regex Link();

    [GeneratedRegex("""<img src="(?<target>[^"]+)"[^>]*? alt="(?<alt>[^"]*)"[^>]*>""")]
    private static partial Regex HtmlImage();
}
