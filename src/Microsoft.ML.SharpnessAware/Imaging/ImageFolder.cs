using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Lists the images of a folder with one sub-folder per class.</summary>
internal static class ImageFolder
{
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
            throw new InvalidDataException($"The image folder '{root.FullName}' has no sub-folders; it needs one per class, named as the class.");

        var rows = new List<Row>();
        List<FileSystemInfo> foreign = [.. root.EnumerateFiles().Where(IsVisible)];
        foreach (DirectoryInfo category in classes)
        {
            ILookup<bool, FileSystemInfo> entries = category.EnumerateFileSystemInfos().Where(IsVisible)
                .OrderBy(entry => entry.Name, StringComparer.Ordinal).ToLookup(entry => entry is FileInfo && Extensions.Contains(entry.Extension));
            rows.AddRange(entries[true].Select(file => new Row { Label = category.Name, ImagePath = file.FullName }));
            foreign.AddRange(entries[false]);
            if (!entries[true].Any())
                channel.Warning($"The folder '{category.FullName}' has no images, so there is no class '{category.Name}'.");
        }

        foreach (FileSystemInfo entry in foreign)
            channel.Warning($"'{entry.FullName}' is not an image of a class ({string.Join(", ", Extensions)}) and is left out.");
        if (rows.Count == 0)
        {
            throw new InvalidDataException(
                $"The sub-folders of '{root.FullName}' have no images; looked for {string.Join(", ", Extensions)} directly in {classes.Length} folders.");
        }

        return rows;
    }

    private static bool IsVisible(FileSystemInfo entry) => !entry.Name.StartsWith('.') && !entry.Attributes.HasFlag(FileAttributes.Hidden);

    private sealed class Row
    {
        public string Label { get; set; } = "";

        public string ImagePath { get; set; } = "";
    }
}
