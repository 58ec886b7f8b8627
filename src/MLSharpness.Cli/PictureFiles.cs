using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLSharpness.Cli;

/// <summary>Image files as a model wants to see them: beside each its path, and a label that says nothing.</summary>
internal static class PictureFiles
{
    // As shells do it, hidden files are left out; and *.* is every file, as it is on Windows.
    private static readonly EnumerationOptions Matching = new() { MatchType = MatchType.Win32, IgnoreInaccessible = false };

    /// <summary>In the place of each pattern (* and ? in a path), of which there is no file, the files that it stands for, in the order of
    /// their names; a pattern that stands for none stays, and so does the part of one in a folder that may not be listed, which is an error
    /// when it is read. Not every shell does so.</summary>
    public static string[] Expand(IEnumerable<string> files) => [.. files.SelectMany(Expand)];

    /// <summary>The files, each read when its row is.</summary>
    /// <param name="mlContext">The context.</param>
    /// <param name="files">Paths.</param>
    /// <param name="inputSchema">What the model was trained on; its label may be a text, a number or a key.</param>
    public static IDataView View(MLContext mlContext, IEnumerable<string> files, DataViewSchema inputSchema)
    {
        DataViewType type = inputSchema.GetColumnOrNull("Label")?.Type ?? TextDataViewType.Instance;
        return type.RawType switch
        {
            Type label when label == typeof(float) => View(mlContext, files, type, 0f),
            Type label when label == typeof(double) => View(mlContext, files, type, 0d),
            Type label when label == typeof(bool) => View(mlContext, files, type, false),
            Type label when label == typeof(byte) => View<byte>(mlContext, files, type, 0),
            Type label when label == typeof(sbyte) => View<sbyte>(mlContext, files, type, 0),
            Type label when label == typeof(ushort) => View<ushort>(mlContext, files, type, 0),
            Type label when label == typeof(short) => View<short>(mlContext, files, type, 0),
            Type label when label == typeof(uint) => View<uint>(mlContext, files, type, 0),
            Type label when label == typeof(int) => View(mlContext, files, type, 0),
            Type label when label == typeof(ulong) => View<ulong>(mlContext, files, type, 0),
            Type label when label == typeof(long) => View<long>(mlContext, files, type, 0),
            _ => View(mlContext, files, TextDataViewType.Instance, ""),
        };
    }

    private static IDataView View<T>(MLContext mlContext, IEnumerable<string> files, DataViewType labelType, T label)
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Row<T>));
        schema["Label"].ColumnType = labelType;
        return mlContext.Data.LoadFromEnumerable(
            files.Select(file => new Row<T> { Label = label, ImagePath = file, Image = Read(file) }), schema);
    }

    // Not in the root: that of \\?\C:\ is no pattern.
    private static bool IsPattern(string path) =>
        path.AsSpan((Path.GetPathRoot(path) ?? "").Length).ContainsAny('*', '?') && !Path.Exists(path);

    private static string[] Expand(string file)
    {
        if (!IsPattern(file))
            return [file];
        List<string> closed = [];
        string[] matches = Matches(file, Directory.EnumerateFiles, closed);
        return matches.Length + closed.Count > 0 ? [.. matches, .. closed] : [file];
    }

    /// <summary>What a pattern stands for, folder by folder.</summary>
    /// <param name="path">The pattern.</param>
    /// <param name="entries">What of a folder.</param>
    /// <param name="closed">Gets the pattern in each folder that may not be listed; null where such a folder is an error.</param>
    private static string[] Matches(
        string path, Func<string, string, EnumerationOptions, IEnumerable<string>> entries, List<string>? closed = null)
    {
        string folder = Path.GetDirectoryName(path) ?? "", pattern = Path.GetFileName(path);
        List<string>? closedAbove = closed is null ? null : [];
        string[] folders = IsPattern(folder) ? Matches(folder, Directory.EnumerateDirectories, closedAbove) : [folder];
        closed?.AddRange(closedAbove!.Select(each => Path.Combine(each, pattern)));
        return [.. folders.Where(each => Directory.Exists(Named(each))).SelectMany(In)];

        string[] In(string folder)
        {
            try
            {
                return [.. entries(Named(folder), pattern, Matching).Select(found => Path.Combine(folder, Path.GetFileName(found)))
                    .Order(StringComparer.Ordinal)];
            }
            catch (UnauthorizedAccessException) when (closed is not null)
            {
                closed.Add(Path.Combine(folder, pattern));
                return [];
            }
        }
    }

    private static string Named(string folder) => folder.Length == 0 ? "." : folder;

    private static byte[] Read(string file)
    {
        if (Directory.Exists(file))
            throw new InvalidDataException($"'{file}' is a folder. Name the pictures in it, for example {Example(file)}");
        if (!IsPattern(file))
            return File.ReadAllBytes(file);
        if (Matches(file, Directory.EnumerateDirectories) is [string folder, ..])
        {
            throw new InvalidDataException($"'{file}': only folders have such names. Name the pictures in them, for example " +
                Path.Combine(file, Path.GetFileName(Example(folder))));
        }

        throw new FileNotFoundException($"'{file}': no file has such a name.");
    }

    /// <summary>A pattern of the files in a folder, or in the folders in it.</summary>
    private static string Example(string folder) => Path.Combine(folder,
        Directory.EnumerateFiles(folder, "*", Matching).Any() || !Directory.EnumerateDirectories(folder, "*", Matching).Any()
            ? "*" : Path.Combine("*", "*"));

    private sealed class Row<T>
    {
        public required T Label { get; set; }

        public string ImagePath { get; set; } = "";

        public byte[] Image { get; set; } = [];
    }
}
