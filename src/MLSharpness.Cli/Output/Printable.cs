using System.Globalization;
using System.Text;

namespace MLSharpness.Cli;

/// <summary>
/// Names from files, made fit for a terminal: a class or a file may be named by anybody, and an escape character in its name could move the
/// cursor, recolour or hide what stands there.
/// </summary>
internal static class Printable
{
    /// <summary>The text with each control, line-breaking or direction-changing character in the form \u001B.</summary>
    public static string Of(string text)
    {
        if (!text.Any(IsUnprintable))
            return text;
        var printable = new StringBuilder(text.Length + 16);
        foreach (char c in text)
            _ = IsUnprintable(c) ? printable.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}") : printable.Append(c);
        return printable.ToString();
    }

    /// <summary>As <see cref="Of"/>, but line breaks stay: for messages of several lines.</summary>
    public static string Lines(string text) => string.Join('\n', text.ReplaceLineEndings("\n").Split('\n').Select(Of));

    private static bool IsUnprintable(char c) => char.GetUnicodeCategory(c)
        is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
            && c != '\u200D';
}
