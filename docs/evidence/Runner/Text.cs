using System.Globalization;

namespace MLSharpness.Evidence;

/// <summary>Numbers as they are written in keys.</summary>
internal static class Text
{
    public static string Of(double number) => number.ToString(CultureInfo.InvariantCulture);
}
