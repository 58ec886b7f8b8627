using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Lists the images of a folder with one sub-folder per class.</summary>
internal static class ImageFolder
{
    private const int MaxNames = 20;

    private static readonly HashSet<string> Extensions =
        new([".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"], StringComparer.OrdinalIgnoreCase);

    public static IDataView Load(IHostEnvironment environment, string folder)
    {
        IHost host = environment.Register(nameof(ImageFolder));
        using IChannel channel = host.Start("List images");
        List<Row> rows = List(channel, folder);
        IDataView paths = new DataOperationsCatalog(host).LoadFromEnumerable(rows);
        return new TransformsCatalog(host).LoadRawImageBytes("Image", imageFolder: null, nameof(Row.ImagePath)).Fit(paths).Transform(paths);
    }

    private static List<Row> List(IChannel channel, string folder)
    {
        var root = new DirectoryInfo(folder);
        if (!root.Exists)
            throw new DirectoryNotFoundException($"The image folder '{root.FullName}' does not exist.");

        DirectoryInfo[] classes = [.. root.EnumerateDirectories().Where(IsVisible).OrderBy(entry => entry.Name, StringComparer.Ordinal)];
        if (classes.Length == 0)
            throw new InvalidDataException($"The image folder '{root.FullName}' has no sub-folders; it needs one per class.");

        var rows = new List<Row>();
        WarnOfForeign(channel, root, root.EnumerateFiles().Where(IsVisible));
        foreach (DirectoryInfo category in classes)
        {
            ILookup<bool, FileSystemInfo> entries = category.EnumerateFileSystemInfos().Where(IsVisible)
                .OrderBy(entry => entry.Name, StringComparer.Ordinal)
                .ToLookup(entry => entry is FileInfo && Extensions.Contains(entry.Extension));
            rows.AddRange(entries[true].Select(file => new Row { Label = category.Name, ImagePath = file.FullName }));
            WarnOfForeign(channel, category, entries[false]);
            if (!entries[true].Any())
                channel.Warning($"The folder '{category.FullName}' has no images, so there is no class '{category.Name}'.");
        }

        if (rows.Count == 0)
        {
            throw new InvalidDataException(
                $"The sub-folders of '{root.FullName}' have no images ({string.Join(", ", Extensions)}) directly in them.");
        }

        return rows;
    }

    private static void WarnOfForeign(IChannel channel, DirectoryInfo folder, IEnumerable<FileSystemInfo> entries)
    {
        string[] names = [.. entries.Select(entry => entry.Name)];
        if (names.Length == 0)
            return;
        string list = string.Join(", ", names.Take(MaxNames)) + (names.Length > MaxNames ? ", …" : "");
        channel.Warning($"{names.Length} entries of '{folder.FullName}' are no images of a class and are left out: {list}");
    }

    private static bool IsVisible(FileSystemInfo entry) => !entry.Name.StartsWith('.') && !entry.Attributes.HasFlag(FileAttributes.Hidden);

    private sealed class Row
    {
        public string Label { get; set; } = "";

        public string ImagePath { get; set; } = "";
    }
}
