namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The paths of what is listed. Plain entries are told apart as the file system does, which may have A and a in one folder on any system;
/// what a link leads to is spelt as the link has it, and is taken for what is listed already where it may be the same.
/// </summary>
/// <param name="ofLinks">How the spelling of a link is compared.</param>
internal sealed class ListedPaths(StringComparer ofLinks)
{
    private readonly HashSet<string> _listed = new(StringComparer.Ordinal), _beforeLink = new(ofLinks);
    private readonly List<string> _sinceLink = [];

    /// <summary>Whether a path is listed already.</summary>
    public bool Contains(string real) => _listed.Contains(real) || _beforeLink.Contains(real);

    /// <summary>Lists a path; false where it is already.</summary>
    public bool Add(string real)
    {
        if (Contains(real))
            return false;
        _listed.Add(real);
        _sinceLink.Add(real);
        return true;
    }

    /// <summary>What comes now is what a link leads to.</summary>
    public void BeginLink()
    {
        _beforeLink.UnionWith(_sinceLink);
        _sinceLink.Clear();
    }
}
