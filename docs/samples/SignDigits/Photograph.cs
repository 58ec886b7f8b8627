using System.Globalization;

namespace SignDigitsSample;

/// <summary>A picture and whose hand it shows.</summary>
internal sealed class Photograph
{
    public string Label { get; set; } = "";

    public byte[] ImageSource { get; set; } = [];

    public float Person { get; set; }

    /// <summary>The pictures of a folder that has one sub-folder for each class.</summary>
    public static Photograph[] Load(string folder)
    {
        string[] paths = [.. Directory.GetDirectories(folder).Order(StringComparer.Ordinal)
            .SelectMany(directory => Directory.GetFiles(directory).Where(SignDigits.IsImage).Order(StringComparer.Ordinal))];
        return
        [
            .. paths.Select((path, i) => new Photograph
            {
                Label = Path.GetFileName(Path.GetDirectoryName(path))!,
                ImageSource = File.ReadAllBytes(path),
                // Ten pictures in a row are of one person; one whose name has no such number is of a person of its own.
                Person = Number(path) is int number ? number / 10 : -1 - i,
            }),
        ];
    }

    /// <summary>The number in a file name such as IMG_1118.JPG; null where there is none, or one as long as a date.</summary>
    private static int? Number(string path)
    {
        const int LengthOfDate = 8;
        string digits = string.Concat(Path.GetFileNameWithoutExtension(path).Where(char.IsAsciiDigit));
        return digits.Length is > 0 and < LengthOfDate ? int.Parse(digits, CultureInfo.InvariantCulture) : null;
    }
}
