namespace SignDigitsSample;

/// <summary>A picture and whose hand it shows.</summary>
internal sealed class Photograph
{
    public string Label { get; set; } = "";

    public byte[] ImageSource { get; set; } = [];

    public float Person { get; set; }

    /// <summary>The number in a file name such as IMG_1118.JPG; 0 where there is none.</summary>
    public static int Number(string path) =>
        int.TryParse(string.Concat(Path.GetFileNameWithoutExtension(path).Where(char.IsAsciiDigit)), out int number) ? number : 0;
}
