using System.Globalization;
using System.IO.Compression;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>
/// Pictures of every kind that a file can be, most of 24 × 16 pixels, and files that only look like pictures. What a browser shows of the
/// first is known in six places.
/// </summary>
internal static class OddPictures
{
    private static readonly Dictionary<string, byte[]> Files = ReadFiles();

    public static IReadOnlyList<SeenPicture> Good { get; } = [.. ReadGood()];

    public static IReadOnlyList<(string Name, byte[] File)> Bad { get; } =
        [.. Files.Where(file => file.Key.StartsWith("bad/", StringComparison.Ordinal)).Select(file => (file.Key[4..], file.Value))];

    private static Dictionary<string, byte[]> ReadFiles()
    {
        using ZipArchive archive = ZipFile.OpenRead(Path.Combine(AppContext.BaseDirectory, "Assets", "odd-pictures.zip"));
        return archive.Entries.ToDictionary(entry => entry.FullName, entry =>
        {
            using Stream stream = entry.Open();
            using var bytes = new MemoryStream();
            stream.CopyTo(bytes);
            return bytes.ToArray();
        });
    }

    private static IEnumerable<SeenPicture> ReadGood()
    {
        foreach (string line in System.Text.Encoding.UTF8.GetString(Files["seen-in-chromium.txt"])
            .Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = line.Split(' ');
            yield return new SeenPicture(parts[0], Files["good/" + parts[0]], Number(parts[1]), Number(parts[2]), parts[3..]);
        }

        static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
    }

    /// <summary>A file, and what is seen of it: colours, as hexadecimal digits, at sixths 1, 3 and 5 of the width and quarters 1 and 3 of
    /// the height.</summary>
    internal sealed record SeenPicture(string Name, byte[] File, int Width, int Height, string[] Colors);
}
