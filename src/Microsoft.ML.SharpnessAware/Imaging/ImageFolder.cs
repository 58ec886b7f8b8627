using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Lists the images of a folder and all folders in it, with labels from their paths.</summary>
internal static class ImageFolder
{
    private const int MaxNames = 20;

    private static readonly HashSet<string> Extensions =
        new([".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"], StringComparer.OrdinalIgnoreCase);

    public static IDataView Load(IHostEnvironment environment, string folder, Func<string, string?> labelFrom)
    {
        IHost host = environment.Register(nameof(ImageFolder));
        using IChannel channel = host.Start("List images");
        List<Row> rows = List(channel, folder, labelFrom);
        IDataView paths = new DataOperationsCatalog(host).LoadFromEnumerable(rows);
        return new TransformsCatalog(host).LoadRawImageBytes("Image", imageFolder: null, nameof(Row.ImagePath)).Fit(paths).Transform(paths);
    }

    private static List<Row> List(IChannel channel, string folder, Func<string, string?> labelFrom)
    {
        var root = new DirectoryInfo(folder);
        if (!root.Exists)
            throw new DirectoryNotFoundException($"The image folder '{root.FullName}' does not exist.");

        var rows = new List<(string Label, string Path)>();
        var foreign = new List<string>();
        var empty = new List<string>();
        Visit(root, "");
        if (rows.Count == 0)
        {
            throw new InvalidDataException(
                $"The image folder '{root.FullName}' has no images ({string.Join(", ", Extensions)}) with a label. A label is the name " +
                "of the sub-folder that an image lies in, unless labelFrom says otherwise." +
                (foreign.Count > 0 ? $" Left out: {Names(foreign)}." : ""));
        }

        if (foreign.Count > 0)
            channel.Warning($"{foreign.Count} files of '{root.FullName}' are no images of a class and are left out: {Names(foreign)}");
        if (empty.Count > 0)
            channel.Warning($"{empty.Count} folders of '{root.FullName}' have no images and make no class: {Names(empty)}");
        return
        [
            .. rows.OrderBy(row => row.Label, StringComparer.Ordinal).ThenBy(row => row.Path, StringComparer.Ordinal)
                .Select(row => new Row { Label = row.Label, ImagePath = Path.Combine(root.FullName, row.Path) }),
        ];

        // Whether there is an image in the folder or deeper.
        bool Visit(DirectoryInfo directory, string path)
        {
            bool any = false;
            foreach (FileSystemInfo entry in directory.EnumerateFileSystemInfos()
                .Where(IsVisible).OrderBy(entry => entry.Name, StringComparer.Ordinal))
            {
                string entryPath = path + entry.Name;
                if (entry is DirectoryInfo deeper)
                {
                    if (LeadsBack(deeper))
                        foreign.Add(entryPath);
                    else if (Visit(deeper, entryPath + "/"))
                        any = true;
                    else if (path.Length == 0)
                        empty.Add(entryPath);
                }
                else if (Extensions.Contains(entry.Extension) && labelFrom(entryPath) is { Length: > 0 } label)
                {
                    rows.Add((label, entryPath));
                    any = true;
                }
                else
                {
                    foreign.Add(entryPath);
                }
            }

            return any;
        }
    }

    private static string Names(List<string> all) => string.Join(", ", all.Take(MaxNames)) + (all.Count > MaxNames ? ", …" : "");

    private static bool IsVisible(FileSystemInfo entry) => !entry.Name.StartsWith('.') && !entry.Attributes.HasFlag(FileAttributes.Hidden);

    // A link to a folder above would be walked for ever.
    private static bool LeadsBack(DirectoryInfo folder) =>
        folder.LinkTarget is not null && folder.ResolveLinkTarget(returnFinalTarget: true) is { } target
        && WithSeparator(folder.FullName).StartsWith(WithSeparator(target.FullName), StringComparison.Ordinal);

    private static string WithSeparator(string path) => Path.TrimEndingDirectorySeparator(path) + Path.DirectorySeparatorChar;

    private sealed class Row
    {
        public string Label { get; set; } = "";

        public string ImagePath { get; set; } = "";
    }
}
