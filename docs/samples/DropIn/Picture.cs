namespace DropInSample;

/// <summary>A picture for both sides: ML.NET's reads the path, ours the bytes.</summary>
internal sealed class Picture
{
    public string Label { get; set; } = "";

    public string ImagePath { get; set; } = "";

    public byte[] Image { get; set; } = [];

    /// <summary>Reads the files of a folder with one sub-folder for each class, a list for each class in the order of their
    /// names.</summary>
    public static IReadOnlyList<Picture[]> Read(string folder) =>
    [
        .. Directory.GetDirectories(folder).Order(StringComparer.Ordinal).Select(directory => Directory.GetFiles(directory)
            .Where(path => Path.GetExtension(path).ToLowerInvariant() is ".jpg" or ".jpeg" or ".png" or ".gif")
            .Order(StringComparer.Ordinal)
            .Select(path => new Picture { Label = Path.GetFileName(directory), ImagePath = Path.GetFullPath(path),
                Image = File.ReadAllBytes(path) })
            .ToArray()),
    ];
}
