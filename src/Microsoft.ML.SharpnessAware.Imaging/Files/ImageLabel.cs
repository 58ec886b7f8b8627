namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Where the label of an image file comes from: ready-made functions for <c>LoadImagesFromFolder</c>. Any other function will do that
/// takes a file's path relative to the folder, with / between its parts, and returns the label, or null for a file that is to be left out.
/// </summary>
public static class ImageLabel
{
    /// <summary>
    /// The sub-folder of the loaded folder in which the file lies, directly or deeper: <c>cat</c> for <c>cat/1.jpg</c> and
    /// <c>cat/indoors/1.jpg</c>. Null for files directly in the folder.
    /// </summary>
    public static Func<string, string?> FolderName { get; } = path => path.IndexOf('/') is > 0 and int end ? path[..end] : null;

    /// <summary>
    /// The file's name up to the first character that is <c>_</c>, <c>-</c>, <c>.</c>, a space or a digit: <c>cat</c> for
    /// <c>cat_017.jpg</c>, <c>cat-17.jpg</c>, <c>cat17.jpg</c> and <c>photos/cat (2).jpg</c>. Null where nothing is before it.
    /// </summary>
    public static Func<string, string?> FileName { get; } = path =>
    {
        string name = path[(path.LastIndexOf('/') + 1)..];
        int end = name.AsSpan().IndexOfAny("_-. 0123456789");
        return end > 0 ? name[..end] : null;
    };

    /// <summary>The file's name up to the first <paramref name="separator"/>. Null where it has none, or nothing before it.</summary>
    /// <param name="separator">For example <c>"_"</c>, which gives <c>class 1</c> for <c>class 1_017.jpg</c>.</param>
    public static Func<string, string?> FileNameBefore(string separator)
    {
        ArgumentException.ThrowIfNullOrEmpty(separator);
        return path =>
        {
            string name = path[(path.LastIndexOf('/') + 1)..];
            return name.IndexOf(separator, StringComparison.Ordinal) is > 0 and int end ? name[..end] : null;
        };
    }
}
