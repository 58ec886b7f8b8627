using System.Text;
using System.Xml;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Names from data, made fit for a line of a picture or a page.</summary>
internal static class PrintableText
{
    /// <summary>
    /// The text in one line: line breaks, tabs and other control characters become spaces, and what XML cannot hold at all (a lone
    /// surrogate, for example) becomes U+FFFD.
    /// </summary>
    public static string Of(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return "";
        StringBuilder line = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            bool valid = rune.Value > char.MaxValue || XmlConvert.IsXmlChar((char)rune.Value);
            line.Append(Rune.IsControl(rune) || rune.Value is 0x2028 or 0x2029 ? " " : valid ? rune.ToString() : "\uFFFD");
        }

        return line.ToString();
    }
}
