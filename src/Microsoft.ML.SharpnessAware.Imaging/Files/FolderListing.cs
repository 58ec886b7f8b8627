namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What is in a folder and all folders in it: first what lies there, then what links lead to. Each file and each folder counts once, by its
/// path without links, so that no link makes copies of what is there, moves it to another class or leads round in a circle.
/// </summary>
internal sealed class FolderListing
{
    private const char NotDecoded = '\uFFFD';

    private readonly Func<string, string?> _labelFrom;
    private readonly StringComparer _ofLinks;
    private readonly ListedPaths _files;
    private readonly ListedPaths _folders;
    private readonly Queue<(FileSystemInfo Entry, string Path, string RealFolder)> _links = [];
    private readonly List<string> _topFolders = [];
    private readonly string _realRoot;

    /// <param name="folder">The folder.</param>
    /// <param name="labelFrom">The label of a path relative to the folder, with / between its parts; null for a file that is to be left
    /// out.</param>
    /// <param name="ofLinks">How the spelling of a link is compared; null for this system's way.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    public FolderListing(string folder, Func<string, string?> labelFrom, StringComparer? ofLinks = null)
    {
        _ofLinks = ofLinks ?? RealPath.Comparer;
        (_files, _folders) = (new ListedPaths(_ofLinks), new ListedPaths(_ofLinks));
        var root = new DirectoryInfo(folder);
        if (!root.Exists)
            throw new DirectoryNotFoundException($"The image folder '{root.FullName}' does not exist.");
        (Root, _labelFrom) = (root.FullName, labelFrom);
        _realRoot = RealPath.Of(Root) ?? Root;
        Visit(root, "", _realRoot);
        while (_links.TryDequeue(out (FileSystemInfo Entry, string Path, string RealFolder) link))
        {
            _files.BeginLink();
            _folders.BeginLink();
            Follow(link.Entry, link.Path, link.RealFolder);
        }
    }

    /// <summary>The extensions of image files.</summary>
    public static IReadOnlySet<string> Extensions { get; } =
        new HashSet<string>([".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"], StringComparer.OrdinalIgnoreCase);

    /// <summary>The folder's full path.</summary>
    public string Root { get; }

    /// <summary>The images that have a label.</summary>
    public List<Image> Images { get; } = [];

    /// <summary>Other files, and links that lead nowhere.</summary>
    public List<string> Foreign { get; } = [];

    /// <summary>Links to what is listed already, or to a folder that this one lies in.</summary>
    public List<string> Repeated { get; } = [];

    /// <summary>Images and folders that cannot be opened because their name is not UTF-8; U+FFFD stands for what is not.</summary>
    public List<string> WithoutName { get; } = [];

    /// <summary>The folders directly in this one that have no image.</summary>
    public List<string> EmptyFolders()
    {
        HashSet<string> used = [.. Images.Select(image => image.Path.Split('/')[0])];
        return [.. _topFolders.Where(name => !used.Contains(name)).Order(StringComparer.Ordinal)];
    }

    private void Visit(DirectoryInfo folder, string path, string real)
    {
        if (!_folders.Add(real))
        {
            Repeated.Add(path.TrimEnd('/'));
            return;
        }

        foreach (FileSystemInfo entry in folder.EnumerateFileSystemInfos().OrderBy(entry => entry.Name, StringComparer.Ordinal))
        {
            if (entry.Name.StartsWith('.'))
                continue;
            string entryPath = path + entry.Name;
            if (!entry.Exists && entry.Name.Contains(NotDecoded))
            {
                if (entry is DirectoryInfo)
                    WithoutName.Add(entryPath + "/");
                else if (LabelOf(entryPath) is not null)
                    WithoutName.Add(entryPath);
                else
                    Foreign.Add(entryPath);
            }
            else if (!entry.Attributes.HasFlag(FileAttributes.Hidden))
            {
                if (entry.Attributes.HasFlag(FileAttributes.ReparsePoint) && entry.LinkTarget is not null)
                    _links.Enqueue((entry, entryPath, real));
                else if (entry is DirectoryInfo deeper)
                    VisitDeeper(deeper, entryPath, Path.Combine(real, entry.Name));
                else
                    Add(entryPath, Path.Combine(real, entry.Name));
            }
        }
    }

    private void Follow(FileSystemInfo link, string path, string realFolder)
    {
        string own = Path.Combine(realFolder, link.Name);
        string? real = RealPath.Of(realFolder, link.Name);
        if (link is DirectoryInfo folder)
        {
            if (!Directory.Exists(real))
                WithoutName.Add(path + "/"); // the folder exists, or this would not be one
            else if (_folders.Contains(real) || Contains(real, _realRoot))
                Repeated.Add(path);
            else
                VisitDeeper(folder, path, real);
        }
        else
        {
            Add(path, File.Exists(real) ? real : own);
        }
    }

    private void VisitDeeper(DirectoryInfo folder, string path, string real)
    {
        if (!path.Contains('/'))
            _topFolders.Add(path);
        Visit(folder, path + "/", real);
    }

    private void Add(string path, string real)
    {
        if (LabelOf(path) is not string label)
            Foreign.Add(path);
        else if (_files.Add(real))
            Images.Add(new Image(label, path, Path.Combine(Root, path.Replace('/', Path.DirectorySeparatorChar))));
        else
            Repeated.Add(path);
    }

    private string? LabelOf(string path) =>
        Extensions.Contains(Path.GetExtension(path)) && _labelFrom(path) is { Length: > 0 } label ? label : null;

    private bool Contains(string folder, string inner) => inner.StartsWith(
        Path.TrimEndingDirectorySeparator(folder) + Path.DirectorySeparatorChar,
        _ofLinks == StringComparer.Ordinal ? StringComparison.Ordinal : StringComparison.OrdinalIgnoreCase);

    /// <summary>An image.</summary>
    /// <param name="Label">Its label.</param>
    /// <param name="Path">Its path relative to the folder, with / between the parts.</param>
    /// <param name="File">Its full path, as the system spells it.</param>
    internal readonly record struct Image(string Label, string Path, string File);
}
